package security

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// agent starts an SSH agent of the runner's with one key and returns its socket, the key's fingerprint and a line of the
// private key.
func agent(t testing.TB) (socket, fingerprint, private string) {
	t.Helper()
	dir := harness.TempDir(t)
	socket = filepath.Join(dir, "agent")
	key := filepath.Join(dir, "key")
	as := func(name string, args ...string) *exec.Cmd {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v (package openssh-client)", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
		t.Cleanup(cancel)
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(harness.Runner().UID), Gid: uint32(harness.Runner().GID)}}
		return cmd
	}
	do := func(cmd *exec.Cmd) string {
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd.Args[0], err, out)
		}
		return string(out)
	}
	server := as("ssh-agent", "-D", "-a", socket)
	must(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	if !harness.Eventually(10*time.Second, func() bool { _, err := os.Stat(socket); return err == nil }) {
		t.Fatal("the agent does not listen")
	}
	do(as("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of-the-test", "-f", key))
	do(as("ssh-add", "-q", key))
	fingerprint = strings.Fields(do(as("ssh-keygen", "-l", "-f", key)))[1]
	text, err := os.ReadFile(key)
	must(t, err)
	return socket, fingerprint, strings.Split(string(text), "\n")[2]
}

func TestAnSSHAgentIsUsableAndItsKeyIsNowhere(t *testing.T) {
	socket, fingerprint, private := agent(t)
	tr := tiny(t, "FROM "+harness.Debian+"\nRUN apt-get update -qq && apt-get install -qq -y --no-install-recommends openssh-client >/dev/null\n"+
		"RUN --mount=type=ssh ssh-add -l > /listed; : "+fingerprint+"\nRUN ssh-add -l > /without 2>&1; true\n").With("SSH_AUTH_SOCK=" + socket)
	got := tr.Must(t, "--ssh", "default", "-p", "tiny", "sh", "-c", "ssh-add -l; cat /listed /without; env | grep -c "+socket+"; true").Stdout
	lines := strings.Split(got, "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], fingerprint) || !strings.Contains(lines[1], fingerprint) ||
		!strings.Contains(lines[2], "authentication agent") || lines[3] != "0" {
		t.Errorf("the run, the RUN step with the agent and the one without saw:\n%s", got)
	}
	contains(t, tr.Must(t, "-p", "tiny", "sh", "-c", "ssh-add -l 2>&1; ls /run/caisson/ssh 2>&1; true").Stdout, "authentication agent")
	nowhere(t, "afterwards", private, filepath.Join(tr.Store, "records"), filepath.Join(tr.Store, "image"), filepath.Join(tr.Store, "buildkit"), tr.Root)
}
