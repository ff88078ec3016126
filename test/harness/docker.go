package harness

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// dockerLimit is the longest that a daemon may take to start or to end.
const dockerLimit = 2 * time.Minute

// Docker starts a Docker daemon of the test's own, with all its files below dir, and returns the words that begin a
// command line for it. Its mounts are in a namespace of its own. Options are added to the daemon's command line. The
// package is docker.io on Debian.
func Docker(t testing.TB, dir string, options ...string) []string {
	t.Helper()
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	var log bytes.Buffer
	daemon := exec.Command("dockerd", append([]string{"--host", socket, "--data-root", filepath.Join(dir, "data"),
		"--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid")}, options...)...)
	daemon.Stdout, daemon.Stderr = &log, &log
	daemon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS}
	if err := daemon.Start(); err != nil {
		t.Fatalf("start a Docker daemon (package docker.io): %v", err)
	}
	stop := func() {
		late := time.AfterFunc(dockerLimit, func() { _ = daemon.Process.Kill() })
		defer late.Stop()
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait() // its status does not matter
	}
	client := []string{"docker", "--host", socket}
	ready := func() bool { return exec.Command(client[0], append(client[1:], "version")...).Run() == nil }
	if !Eventually(dockerLimit, ready) {
		stop()
		t.Fatalf("the daemon does not answer:\n%s", log.String())
	}
	t.Cleanup(stop)
	return client
}
