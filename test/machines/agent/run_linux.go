package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// run runs one command to its end.
func run(r Request, out *replies) End {
	c := r.Command
	if len(c.Args) == 0 {
		return End{Failure: "a command without words"}
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	if c.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=/root"}, c.Env...)
	cmd.Stdin = bytes.NewReader(c.Stdin)
	cmd.Stdout = printer(func(b []byte) { out.send(Reply{ID: r.ID, Stdout: b}) })
	cmd.Stderr = printer(func(b []byte) { out.send(Reply{ID: r.ID, Stderr: b}) })
	cmd.WaitDelay = pipeDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.UID, Gid: c.GID}}
	if c.Cgroup != "" {
		dir, err := os.Open(c.Cgroup)
		if err != nil {
			return End{Failure: fmt.Sprintf("open the cgroup: %v", err)}
		}
		defer dir.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case cmd.ProcessState == nil:
		return End{Failure: err.Error()}
	case err == nil, errors.As(err, &exit), errors.Is(err, exec.ErrWaitDelay):
		return End{Code: cmd.ProcessState.ExitCode()}
	case errors.Is(err, syscall.EPIPE): // it did not read all of its input
		return End{Code: cmd.ProcessState.ExitCode()}
	}
	return End{Failure: err.Error()}
}
