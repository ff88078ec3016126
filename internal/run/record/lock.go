package record

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The lock of a record is flock(2) on its status: it belongs to the open file, is dropped by the kernel with its last
// descriptor, and os opens all files close-on-exec, so that no container inherits it.

// lockWait takes the lock of f. Only a look at the record can hold it for a moment.
func lockWait(f *os.File) error { return flock(f, unix.LOCK_EX) }

// errLocked: the client of a record, or a sweep, holds its lock.
var errLocked = errors.New("locked")

// tryLock opens and locks the record in dir, for the caller to close, or is errLocked.
func tryLock(dir string) (*os.File, error) { return openLock(dir, unix.LOCK_EX) }

// locked says whether a client (or a sweep) holds the record in dir. Its own look is shared, so that two looks at once
// do not see each other.
func locked(dir string) (bool, error) {
	f, err := openLock(dir, unix.LOCK_SH)
	if errors.Is(err, errLocked) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, f.Close()
}

func openLock(dir string, how int) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, statusName), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	err = flock(f, how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		f.Close() // nothing was written to it
		return nil, err
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
