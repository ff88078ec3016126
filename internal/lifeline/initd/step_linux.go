package initd

import (
	"os"
	"os/signal"
	"syscall"
)

// StepWord, before a command, makes this program a PID 1 that starts the command and nothing more.
const StepWord = "step"

// Step is the life of PID 1 of an emulated build step: it starts the command, with what it has itself, and ends with it.
// An emulator ends itself by the signal that ended its program, which PID 1 is immune to: the step would stay for ever.
func Step(args []string) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	pid, f := launch(args, &syscall.ProcAttr{
		Dir: dir, Env: os.Environ(), Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(os.Getuid()), NoSetGroups: true, Gid: uint32(os.Getgid())}},
	})
	if f != nil {
		os.Stderr.WriteString(f.reason + "\n")
		if f.notFound {
			return statusNotFound
		}
		return statusNotExec
	}
	reaped := make(chan syscall.WaitStatus, 1)
	go reap(pid, reaped)
	for {
		select {
		case s := <-signals:
			syscall.Kill(pid, s.(syscall.Signal))
		case status := <-reaped:
			code, _ := verdict(status)
			return code
		}
	}
}
