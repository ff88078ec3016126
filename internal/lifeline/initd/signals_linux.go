package initd

import (
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// lastSignal is the highest signal number of Linux, on the architectures that have containers here.
const lastSignal = 64

// catchSignals makes PID 1 immune to stray signals. Those that ask for an end come out of the channel.
//
// All others get their default disposition back, where the Go runtime has a handler, or the caller left them ignored:
// the kernel drops what PID 1 does not handle (pid_namespaces(7)), while the runtime's handlers would end the process;
// and the command inherits defaults. signal.Notify would do for all of them too, but hands each over to another thread
// and waits for it, which every run would pay for.
func catchSignals() <-chan os.Signal {
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP: // cannot be set
		case syscall.SIGURG: // the runtime's own, harmless
		case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP: // Notify would not bring back a handler taken away here
		default:
			setDefault(n)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	return stop
}

// setDefault sets SIG_DFL, which is a struct sigaction of zeros; 32 bytes are enough for every architecture. The 8 is
// the size of the kernel's signal set. There is no error for numbers in range.
func setDefault(n syscall.Signal) {
	var action [4]uint64
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
