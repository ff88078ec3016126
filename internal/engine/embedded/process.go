package embedded

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// process names a process for good: a pid alone is given to another one later.
type process struct {
	PID   int
	Start string // in clock ticks since boot, as in /proc/PID/stat
}

func processOf(pid int) process {
	_, start := stat(pid)
	return process{PID: pid, Start: start}
}

// ended says whether the process is gone. That of a PID namespace's first process means that all in it are: the kernel
// ends them before it lets go of the first (pid_namespaces(7)).
func (p process) ended() bool {
	state, start := stat(p.PID)
	return start == "" || start != p.Start || state == "Z" || state == "X"
}

func (p process) endsWithin(d time.Duration) bool {
	for deadline := time.Now().Add(d); !p.ended(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// stat reads a process's state and start; both are "" when there is none. Format: proc_pid_stat(5), fields 3 and 22; the
// second is a name in parentheses, which may contain anything.
func stat(pid int) (state, start string) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", ""
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return "", ""
	}
	return string(f[0]), string(f[19])
}
