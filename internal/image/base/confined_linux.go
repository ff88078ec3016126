package base

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// startConfined starts a program whose whole process group ends with a cancel. As root it is also the first process of
// a PID namespace and mounts in a mount namespace of its own: nothing that it has started, wherever that has gone,
// survives a cancel or a SIGKILL of the caller. As an ordinary user a SIGKILL of the caller ends the program itself
// only. The calling goroutine must be locked to its thread until the program has ended.
func startConfined(cmd *exec.Cmd) error {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.SysProcAttr = attr
	cmd.Cancel = func() error { return killGroup(cmd) }
	if os.Geteuid() != 0 {
		return cmd.Start() // mmdebstrap makes its own namespaces then
	}
	attr.Cloneflags = syscall.CLONE_NEWPID
	attr.Unshareflags = syscall.CLONE_NEWNS // by unshare and not clone: then mounts do not spread to the host
	err := cmd.Start()
	if errors.Is(err, syscall.EPERM) {
		return errors.New("root may not make namespaces here (CAP_SYS_ADMIN is missing): make the root file system " +
			"with mmdebstrap on another machine and add its tar")
	}
	return err
}

func killGroup(cmd *exec.Cmd) error {
	err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
