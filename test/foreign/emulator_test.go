package foreign

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"caisson/test/harness"
)

func TestAnotherEmulatorMakesAnotherImage(t *testing.T) {
	tr := newTree(t, "emulator", map[string]string{"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN uname -m >/said\n"})
	tr.Must(t, "-p", "armv7", "-b")
	dir := harness.TempDir(t)
	emulator, err := os.ReadFile("/usr/bin/qemu-arm-static")
	if err != nil {
		t.Fatalf("%v: install the package qemu-user-static", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "qemu-arm-static"), append(emulator, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	other := tr.With("PATH=" + dir + ":" + os.Getenv("PATH"))
	r := other.Must(t, "-p", "armv7", "cat", "/said")
	contains(t, r.Stderr, "building the image: emulator of arm changed (another build of qemu ")
	equal(t, r.Stdout, "armv7l\n")
}

func TestWithoutAnEmulatorTheErrorSaysWhatToInstall(t *testing.T) {
	tr := newTree(t, "missing", map[string]string{"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN true\n"})
	t.Run("with emulators", func(t *testing.T) { tr.Must(t, "-p", "armv7", "true") })
	t.Run("without", func(t *testing.T) {
		hideEmulators(t)
		for _, args := range [][]string{
			{"-p", "armv7", "true"}, {"-p", "armv7", "-b"}, {"-p", "armv7", "-R", "true"}, {"-p", "armv7", "--no-cache", "-b"},
		} {
			r := tr.Command(args...).Run(t)
			if r.Code != 125 {
				t.Errorf("%q: status %d, want 125", args, r.Code)
			}
			contains(t, r.Stderr, "run programs of arm: there is no qemu-arm-static in PATH", "apt-get install qemu-user-static")
		}
	})
}

// hideEmulators lets the calling goroutine, and the commands that it starts, see no emulator of ARM: it gets a thread and
// a mount namespace of its own, and both end with it. For a subtest.
func hideEmulators(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	err := syscall.Unshare(syscall.CLONE_NEWNS)
	if err == nil {
		err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	for _, name := range []string{"qemu-arm-static", "qemu-arm"} {
		if path, missing := exec.LookPath(name); err == nil && missing == nil {
			err = syscall.Mount("/dev/null", path, "", syscall.MS_BIND, "")
		}
	}
	if err != nil {
		t.Fatalf("hide the emulators: %v", err)
	}
}
