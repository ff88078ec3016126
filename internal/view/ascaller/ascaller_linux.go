package ascaller

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// do changes the file-system ids of the current thread only. The runtime starts threads from a clean one while a
// goroutine is locked, so no other thread inherits them.
func do(uid, gid int, groups []int, f func() error) (err error) {
	runtime.LockOSThread()
	before, err := unix.Getgroups()
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read own groups: %w", err)
	}
	defer func() {
		// A thread that cannot go back stays locked: it ends with its goroutine instead of serving another one.
		if back := become(0, os.Getegid(), before); back != nil {
			if err == nil {
				err = back
			}
			return
		}
		runtime.UnlockOSThread()
	}()
	if err := become(uid, gid, groups); err != nil {
		return err
	}
	return f()
}

// become sets groups, fsgid and fsuid of this thread. On the way back root comes first, since groups need its rights.
func become(uid, gid int, groups []int) error {
	if uid == 0 {
		unix.SetfsuidRetUid(0)
	}
	if err := setgroups(groups); err != nil {
		return fmt.Errorf("take on the groups of uid %d: %w", uid, err)
	}
	unix.SetfsgidRetGid(gid)
	unix.SetfsuidRetUid(uid)
	// An invalid id changes nothing and returns the present one: the only way to see whether the call worked.
	gidNow, _ := unix.SetfsgidRetGid(-1)
	uidNow, _ := unix.SetfsuidRetUid(-1)
	if uidNow != uid || gidNow != gid {
		return fmt.Errorf("take on the rights of uid %d, gid %d: %w", uid, gid, unix.EPERM)
	}
	return nil
}

// setgroups is for this thread only, other than the one of package syscall, which changes all threads.
func setgroups(groups []int) error {
	list := make([]uint32, len(groups)+1) // one more, so that there is an address for an empty list
	for i, g := range groups {
		list[i] = uint32(g)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(&list[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
