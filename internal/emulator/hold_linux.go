package emulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Ready is what Serve writes when the emulators are registered.
const Ready = "ready\n"

// Serve holds emulators for others: it registers them as Register does, writes Ready to ready, closes it, and waits until
// this process is killed. It is for a process that was just cloned into a user namespace of its own (as root with the
// identity map) and a mount namespace of its own. Others join the user namespace by /proc/PID/ns/user. It returns only
// an error; ready is closed then too, with nothing written.
func Serve(dir string, es []Emulator, ready io.WriteCloser) error {
	err := Register(dir, es)
	if err == nil {
		_, err = io.WriteString(ready, Ready)
	}
	if closeErr := ready.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("hold emulators: %w", err)
	}
	for { // the Go runtime signals its own threads
		if _, err := unix.Ppoll(nil, nil, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("hold emulators: wait: %w", err)
		}
	}
}

// probeName is the argv[0] under which the program tries a mount for Kernel.
const probeName = "caisson-emulator-probe"

// Main makes this process Kernel's trial when it was started as one, and then never returns. Call it first in main.
func Main() {
	if len(os.Args) == 0 || os.Args[0] != probeName {
		return
	}
	if err := Register("/proc/sys/fs/binfmt_misc", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, ErrKernel) {
			os.Exit(probeKernel)
		}
		os.Exit(1)
	}
	os.Exit(0)
}

// probeKernel is the trial's exit status for ErrKernel.
const probeKernel = 2

// Kernel says whether this machine has private tables of emulators, by a trial in a child, which leaves nothing. The
// error says what to do; it wraps ErrKernel where the kernel is the reason. The program's main must call Main.
func Kernel() error {
	var said strings.Builder
	c := exec.Command("/proc/self/exe")
	c.Args, c.Dir, c.Stderr = []string{probeName}, "/", &said
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread() // the death signal is sent when the thread ends
	defer runtime.UnlockOSThread()
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("make a user namespace for emulators: %w; let users make them (sysctl user.max_user_namespaces, "+
			"kernel.apparmor_restrict_unprivileged_userns)", err)
	case exit.ExitCode() == probeKernel:
		return fmt.Errorf("try a private binfmt_misc: %w", ErrKernel)
	}
	return fmt.Errorf("try a private binfmt_misc: %s", strings.TrimSpace(said.String()))
}
