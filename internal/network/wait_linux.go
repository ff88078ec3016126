package network

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Wait waits until one of the files can be read from (or, a listener, accepted from), or is broken, and reads nothing. It
// returns the context's error when that ends first. Waiting takes a goroutine and a descriptor, but no thread.
func Wait(ctx context.Context, files ...*os.File) error {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("wait for the container's network: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile, which asks
		unix.Close(fd)
		return fmt.Errorf("wait for the container's network: %w", err)
	}
	set := os.NewFile(uintptr(fd), "epoll") // an epoll set is itself readable when one of its members is
	defer set.Close()
	for _, f := range files {
		if err := watch(fd, f); err != nil {
			return fmt.Errorf("wait for %s of the container's network: %w", f.Name(), err)
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = set.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := set.SyscallConn()
	if err != nil {
		return err
	}
	var events [1]unix.EpollEvent
	var waitErr error
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), events[:], 0)
		if err != nil && err != unix.EINTR {
			waitErr = fmt.Errorf("wait for the container's network: %w", err)
		}
		return n > 0 || waitErr != nil
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("wait for the container's network: %w", err)
	}
	return waitErr
}

func watch(set int, f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ctlErr error
	err = conn.Control(func(fd uintptr) {
		ctlErr = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	})
	if err != nil {
		return err
	}
	return ctlErr
}
