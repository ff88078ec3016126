package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mount is a file system and its place.
type mount struct {
	kind, at string
	flags    uintptr
	options  string
}

const (
	plain  = unix.MS_NOSUID | unix.MS_NODEV
	closed = plain | unix.MS_NOEXEC
)

// early are mounted before the disk and move onto it.
var early = []mount{
	{"devtmpfs", "/dev", unix.MS_NOSUID, "mode=0755"},
	{"proc", "/proc", closed, ""},
	{"sysfs", "/sys", closed, ""},
}

// late are mounted on the disk, as Debian does it.
var late = []mount{
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=0620,ptmxmode=0666"},
	{"tmpfs", "/dev/shm", plain, "mode=1777"},
	{"tmpfs", "/run", plain, "mode=0755"},
	{"tmpfs", "/tmp", plain, "mode=1777"},
	{"cgroup2", "/sys/fs/cgroup", closed, "nsdelegate,memory_recursiveprot"},
}

func mountAll(mounts []mount) error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return nil
}

// switchRoot makes the disk the root of everything. What the kernel unpacked stays below it: this program still runs from
// there. The tree is shared, as an init system leaves it.
func switchRoot() error {
	const root = "/root"
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(disk, root, "ext4", unix.MS_NOATIME, ""); err != nil {
		return fmt.Errorf("mount the disk: %w", err)
	}
	for _, m := range early {
		if err := unix.Mount(m.at, root+m.at, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", m.at, err)
		}
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the disk to /: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share the mounts: %w", err)
	}
	return unix.Chdir("/")
}
