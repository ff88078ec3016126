package initd

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"caisson/internal/lifeline/wire"
)

// killPatience is how long a killed command may take to be reaped. Longer ones hang in the kernel, and the end of PID 1
// says more about them than any waiting here.
const killPatience = time.Second

// hangupPeriod is the time between two HUPs to an interactive shell.
const hangupPeriod = 200 * time.Millisecond

// command is what was started. Its process group has the number of its process.
type command struct {
	pid    int
	master int // of its terminal; -1 without one
}

// guard watches over the command from its start to the end of PID 1.
type guard struct {
	command command
	grace   time.Duration
	// reaped yields the command's status, and is closed when no process is left.
	reaped <-chan syscall.WaitStatus

	terminating bool
	told        map[int]bool     // process groups that were asked to end
	hangup      <-chan time.Time // ticks on a terminal while it is asked to end
	status      *syscall.WaitStatus
}

// watch returns the command's status when PID 1 may end: with the command, and after a request to terminate with the
// last process or the grace period.
func (g *guard) watch(said <-chan wire.Message, stop <-chan os.Signal) syscall.WaitStatus {
	var timeout <-chan time.Time
	for {
		select {
		case status, some := <-g.reaped:
			if !some {
				return g.known()
			}
			g.status = &status
			if !g.terminating {
				return status
			}
			g.terminateRest()
		case <-stop:
			timeout = g.terminate(timeout)
		case m := <-said:
			switch m.Kind {
			case wire.KindTerminate:
				timeout = g.terminate(timeout)
			case wire.KindKill:
				return g.kill()
			case wire.KindSignal:
				g.signal(g.command.pid, syscall.Signal(m.Signal))
			case wire.KindResize:
				g.resize(m.Rows, m.Cols)
			}
		case <-g.hangup:
			g.hangUpShells()
		case <-timeout:
			return g.kill()
		}
	}
}

// terminate asks the command's process group to end, on a terminal the foreground group too, and starts the grace
// period; repeated, it changes nothing.
func (g *guard) terminate(timeout <-chan time.Time) <-chan time.Time {
	if g.terminating {
		return timeout
	}
	g.terminating = true
	g.told = map[int]bool{g.command.pid: true}
	if g.command.master >= 0 {
		g.hangup = time.Tick(hangupPeriod)
		if group, err := unix.IoctlGetInt(g.command.master, unix.TIOCGPGRP); err == nil && group > 1 {
			g.told[group] = true
		}
	}
	for group := range g.told {
		g.ask(group)
	}
	return time.After(g.grace)
}

// ask sends a process group TERM, and on a terminal HUP.
//
// An interactive shell ignores TERM, and gets only HUP, and that again and again: bash forgets one that comes just
// before it waits for a key, and readline(3) one that a TERM follows. Nobody else gets a signal twice, because it means
// to drop everything.
func (g *guard) ask(group int) {
	if g.command.master >= 0 && controlsJobs("/proc", group) {
		syscall.Kill(group, syscall.SIGHUP)
	} else {
		g.signal(group, syscall.SIGTERM)
		if g.command.master >= 0 {
			g.signal(group, syscall.SIGHUP)
		}
	}
	g.signal(group, syscall.SIGCONT) // a stopped process acts on nothing else
}

// hangUpShells looks anew who is a shell: readline(3) un-ignores the signals for an instant when it begins.
func (g *guard) hangUpShells() {
	for leader := range g.told {
		if controlsJobs("/proc", leader) {
			syscall.Kill(leader, syscall.SIGHUP)
		}
	}
}

// terminateRest sends TERM to the processes of groups that have not got it: with the command gone, nobody else will end
// a daemon that it left. Members of a group that has got it are still cleaning up; make, for one, takes a second TERM as
// an order to drop everything.
func (g *guard) terminateRest() {
	for _, p := range processes("/proc") {
		if p.pid != 1 && !g.told[p.group] {
			syscall.Kill(p.pid, syscall.SIGTERM)
			syscall.Kill(p.pid, syscall.SIGCONT)
		}
	}
}

// kill ends everything and returns the command's status, that of KILL if it does not come in time.
func (g *guard) kill() syscall.WaitStatus {
	killAll()
	patience := time.After(killPatience)
	for g.status == nil {
		select {
		case status, some := <-g.reaped:
			if !some {
				return g.known()
			}
			g.status = &status
		case <-patience:
			return g.known()
		}
	}
	return *g.status
}

func (g *guard) known() syscall.WaitStatus {
	if g.status == nil {
		return syscall.WaitStatus(syscall.SIGKILL)
	}
	return *g.status
}

// signal reaches a process group; the number comes from the client and may be none.
func (g *guard) signal(group int, s syscall.Signal) {
	if s > 0 {
		syscall.Kill(-group, s)
	}
}

func (g *guard) resize(rows, cols uint16) {
	if g.command.master >= 0 {
		unix.IoctlSetWinsize(g.command.master, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	}
}

// killAll kills every process of the PID namespace but this one.
func killAll() { syscall.Kill(-1, syscall.SIGKILL) }
