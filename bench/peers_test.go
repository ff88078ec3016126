package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"caisson/internal/payload"
	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// peerImage is the name of the measured image at other tools.
const peerImage = "localhost/caisson-bench:tiny"

// peerLimit is the longest that a command of another tool's set-up may take.
const peerLimit = 2 * time.Minute

// peers start other tools in the network namespace of this thread.
var peers = []struct {
	name     string
	programs []string // what has to be installed
	start    func(t testing.TB, dir, archive string) []string
}{
	{"docker", []string{"docker", "dockerd", "containerd"}, docker},
	{"podman", []string{"podman", "conmon"}, podman},
}

// The promise is about the line that a user types, which gives the container a network of its own.
func TestACachedRunCostsAFractionOfOtherTools(t *testing.T) {
	if !full {
		return // they need not be installed, and take a second each time
	}
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			const ours, limit = "`caisson -p P true`, tiny", "at most 0.2"
			plain, host := "`"+peer.name+" run --rm`", "`"+peer.name+" run --rm --network host`"
			for _, p := range peer.programs {
				if _, err := exec.LookPath(p); err != nil {
					notMeasured(t, ours, plain, limit, p+" is not installed")
					notMeasured(t, ours, host, noLimit, p+" is not installed")
					return
				}
			}
			store, project := harness.Store(t), benchProject(t)
			c := command(store, project, "-p", "tiny", "true")
			c.Must(t) // makes the image
			archive := peerRoot(t, command(store, project))
			ownNetwork(t)
			dir := shortDir(t)
			run := peer.start(t, dir, archive)
			settle := settled(t, dir)
			private := contender{plain, start(add(run, peerImage, "true")), settle}
			shared := contender{host, start(add(run, "--network", "host", peerImage, "true")), settle}
			onHost := command(store, project, "-p", "tiny", "--network", "host", "true")
			s := interleave(t, 15, caisson(c), private, caisson(onHost), shared)
			r := compare(s[0], s[1])
			row(t, ours, plain, r, limit, r.median <= otherToolsLimit)
			row(t, "`caisson -p P --network host true`, tiny", host, compare(s[2], s[3]), noLimit, true)
		})
	}
}

// add returns a new command line: two may begin with the same words.
func add(words []string, more ...string) []string { return append(slices.Clip(words), more...) }

// settled returns a function that waits until what works in the folder of another tool is again what works there now:
// both tools clean up after a run in the background, which would slow the next contender down.
func settled(t testing.TB, dir string) func(testing.TB) {
	idle := workers(t, dir)
	return func(t testing.TB) {
		if !harness.Eventually(onceLimit, func() bool { return workers(t, dir) <= idle }) {
			t.Errorf("%d processes work in the folder of another tool, at first there were %d", workers(t, dir), idle)
		}
	}
}

// workers is the number of processes that have the folder in their command line.
func workers(t testing.TB, dir string) int {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(dir+"/")) {
			n++
		}
	}
	return n
}

// ownNetwork gives this goroutine, until its end, a thread in a network namespace of its own, for it and all that it
// starts: the bridges of other tools are gone with it.
func ownNetwork(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // for ever: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	output(t, peerLimit, "ip", "link", "set", "lo", "up")
}

// peerRoot makes a tar archive of the tiny image's root file system, for `import` of other tools.
func peerRoot(t testing.TB, c harness.Command) string {
	t.Helper()
	bundle := t.TempDir()
	_, lowers := liveRun(t, c, "tiny", bundle)
	archive := filepath.Join(t.TempDir(), "root.tar")
	if len(lowers) != 1 {
		t.Fatalf("the tiny image has %d layers, not one", len(lowers))
	}
	output(t, peerLimit, "tar", "-C", lowers[0], "-cf", archive, ".")
	return archive
}

// shortDir is a temporary folder: sockets and podman's --runroot have room for few characters. What other tools leave
// mounted below it is unmounted at the end.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(b)) {
			if at := strings.Fields(line)[4]; strings.HasPrefix(at, dir+"/") {
				unmount(t, at)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// docker starts a daemon of its own, which nobody else uses, and imports the image.
func docker(t testing.TB, dir, archive string) []string {
	t.Helper()
	client := harness.Docker(t, dir)
	output(t, peerLimit, add(client, "import", archive, peerImage)...)
	return add(client, "run", "--rm")
}

// podman has folders of its own, and the same runc as caisson.
func podman(t testing.TB, dir, archive string) []string {
	t.Helper()
	runc, err := payload.Unpack(dir, payload.Runc)
	if err != nil {
		t.Fatal(err)
	}
	client := []string{
		"podman", "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp"),
		"--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", runc,
	}
	t.Cleanup(func() { output(t, peerLimit, add(client, "system", "reset", "--force")...) })
	output(t, peerLimit, add(client, "import", archive, peerImage)...)
	return add(client, "run", "--rm", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=30000:30000")
}
