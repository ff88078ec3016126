package bench

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// ownMounts marks a process that has a mount namespace of its own.
const ownMounts = "CAISSON_BENCH_OWN_MOUNTS"

// full is whether everything is measured, with the limits as they are promised.
var full = os.Getenv("CAISSON_BENCH") == "full"

// TestMain gives the tests a mount namespace of their own: what they mount is gone with them, however they end.
func TestMain(m *testing.M) {
	if os.Geteuid() == 0 && os.Getenv(ownMounts) == "" {
		if err := enterOwnMounts(); err != nil {
			fmt.Fprintln(os.Stderr, "give the measurements a mount namespace of their own:", err)
			os.Exit(1)
		}
	}
	os.Unsetenv(ownMounts)
	began := load()
	code := m.Run()
	if full {
		if err := writeResults("RESULTS.md", began); err != nil {
			fmt.Fprintln(os.Stderr, "write the results:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// enterOwnMounts starts this program again in the new namespace, under the same process id. It returns only on an error.
func enterOwnMounts() error {
	runtime.LockOSThread()                                 // it is this thread that gets the namespace and becomes the program
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil { // of this thread, which execve(2) makes the only one
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	if err := harness.AddTester(); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), ownMounts+"=1"))
}
