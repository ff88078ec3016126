package emulator

import (
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Values of personality(2) from linux/personality.h.
const (
	askPersonality = 0xffffffff
	perLinux32     = 8
)

// has32Bit says whether this arm64 machine runs programs of arm. The kernel refuses their personality where the
// processor cannot (arch/arm64/kernel/sys.c).
var has32Bit = sync.OnceValue(func() bool {
	runtime.LockOSThread() // a personality is a thread's
	defer runtime.UnlockOSThread()
	before, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, askPersonality, 0, 0)
	if errno != 0 {
		return false
	}
	if _, _, errno = unix.RawSyscall(unix.SYS_PERSONALITY, perLinux32, 0, 0); errno != 0 {
		return false
	}
	_, _, errno = unix.RawSyscall(unix.SYS_PERSONALITY, before, 0, 0)
	return errno == 0
})
