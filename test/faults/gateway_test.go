package faults

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gateway is a shell command that waits in a RUN step until goOn is called; from then on it waits no more. A step shares
// neither files nor, in every mode, the network with the test: it is told by a signal.
func gateway(t testing.TB) (wait string, goOn func()) {
	t.Helper()
	name := fmt.Sprintf("gate-%x", rand.Uint64())
	ended, joined := make(chan struct{}), make(chan struct{}) // closed at the end of the test, and when nobody signals any more
	goOn = sync.OnceFunc(func() {
		go func() {
			defer close(joined)
			for {
				signalWaiting(name)
				select {
				case <-ended:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}()
	})
	t.Cleanup(func() {
		goOn()
		close(ended)
		<-joined
	})
	return fmt.Sprintf("trap go=1 USR1; while [ -z \"$go\" ]; do sleep 0.05; done; : %s", name), goOn
}

// signalWaiting sends USR1 to each process whose command line has this word and that is ready for the signal.
func signalWaiting(word string) {
	es, _ := os.ReadDir("/proc") // it was read before
	for _, e := range es {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		status, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if bytes.Contains(cmdline, []byte(word)) && catches(string(status), syscall.SIGUSR1) {
			_ = syscall.Kill(pid, syscall.SIGUSR1) // it may be gone
		}
	}
}

// catches reads the mask of caught signals in a process's status (proc_pid_status(5)).
func catches(status string, sig syscall.Signal) bool {
	_, mask, _ := strings.Cut(status, "\nSigCgt:\t")
	mask, _, _ = strings.Cut(mask, "\n")
	bits, err := strconv.ParseUint(mask, 16, 64)
	return err == nil && bits&(1<<(sig-1)) != 0
}
