package initd

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"caisson/internal/lifeline/wire"
)

// openTerminal makes a terminal of the container's own devpts, so that the command finds its name there. Both
// descriptors are close-on-exec and belong to the caller.
func openTerminal(req *wire.Request) (master, slave int, err error) {
	master, err = open("/dev/ptmx")
	if err != nil {
		return -1, -1, err
	}
	slave, err = openSlave(master, req)
	if err != nil {
		syscall.Close(master)
		return -1, -1, err
	}
	return master, slave, nil
}

func openSlave(master int, req *wire.Request) (int, error) {
	number, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err != nil {
		return -1, os.NewSyscallError("TIOCGPTN", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, os.NewSyscallError("TIOCSPTLCK", err)
	}
	if req.Rows > 0 && req.Cols > 0 {
		size := &unix.Winsize{Row: req.Rows, Col: req.Cols}
		if err := unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, size); err != nil {
			return -1, os.NewSyscallError("TIOCSWINSZ", err)
		}
	}
	slave, err := open("/dev/pts/" + strconv.Itoa(number))
	if err != nil {
		return -1, err
	}
	// The group stays the terminal group of the mount.
	if err := syscall.Fchown(slave, req.UID, -1); err != nil {
		syscall.Close(slave)
		return -1, os.NewSyscallError("fchown", err)
	}
	return slave, nil
}

func open(path string) (int, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}
