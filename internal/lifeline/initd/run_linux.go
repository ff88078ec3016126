package initd

import (
	"os"
	"syscall"

	"caisson/internal/lifeline/wire"
)

// lineFD is the descriptor of the socket to the client, by agreement with `runc run --preserve-fds 1`.
const lineFD = 3

// Exit statuses of PID 1 itself; the command's own status otherwise.
const (
	statusNoClient = 137 // the client is gone
	statusMisuse   = 125
	statusNotExec  = 126
	statusNotFound = 127
)

// Run is the life of PID 1. The result is the exit status of the process, with whose end the kernel kills what is left
// in the PID namespace.
func Run() int {
	if os.Getpid() != 1 {
		// Elsewhere kill(-1) would hit the whole machine.
		os.Stderr.WriteString("caisson-init: it can only be PID 1 of a container; it is started by caisson\n")
		return statusMisuse
	}
	stop := catchSignals()
	// As under Docker, whatever the caller's shell had: files of the container do not depend on it.
	syscall.Umask(0o022)

	line := newLine(lineFD)
	req, stdio, err := line.request()
	if err != nil {
		return statusNoClient
	}
	said := make(chan wire.Message, 16)
	go line.listen(said, func() {
		killAll()
		os.Exit(statusNoClient)
	})

	command, failure := start(&req, stdio)
	if failure != nil {
		line.tell(wire.Message{Kind: wire.KindFailed, NotFound: failure.notFound, Reason: failure.reason}, -1)
		if failure.notFound {
			return statusNotFound
		}
		return statusNotExec
	}
	line.tell(wire.Message{Kind: wire.KindStarted}, command.master)

	reaped := make(chan syscall.WaitStatus, 1)
	go reap(command.pid, reaped)

	g := guard{command: command, grace: req.Grace, reaped: reaped}
	status := g.watch(said, stop)
	code, sig := verdict(status)
	kills, peak := memoryUse(cgroups)
	line.tell(wire.Message{Kind: wire.KindExited, Code: code, Signal: sig, MemoryKills: kills, MemoryPeak: peak}, -1)
	return code
}

// reap collects all children, the command's and the orphans that the kernel gives to PID 1. It sends the status of main
// and, when no child is left, closes the channel. It must be started after main: then no other wait competes with it.
func reap(main int, ended chan<- syscall.WaitStatus) {
	defer close(ended)
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WALL, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return
		case pid == main:
			ended <- status
		}
	}
}

// verdict is what a shell would call the status: 128+N for death by signal N.
func verdict(status syscall.WaitStatus) (code, sig int) {
	if status.Signaled() {
		return 128 + int(status.Signal()), int(status.Signal())
	}
	return status.ExitStatus(), 0
}
