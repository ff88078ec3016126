//go:build linux && (amd64 || arm64 || riscv64)

package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The raw calls below hand the kernel the name where getdents left it, which saves an allocation and a copy per file.

// contextRoot is an open context folder.
type contextRoot struct {
	fd   int
	path string
}

func openContext(path string) (contextRoot, error) {
	fd, err := openFolder(unix.AT_FDCWD, path, 0)
	if err != nil {
		return contextRoot{}, fmt.Errorf("open context folder: %w", &os.PathError{Op: "open", Path: path, Err: err})
	}
	return contextRoot{fd, path}, nil
}

func (r contextRoot) close() { unix.Close(r.fd) }

// clockMargin is by how much a time stamp of this file system may lag behind the clock of this machine: stamps are taken
// from the kernel's tick; a server has a clock of its own.
func (r contextRoot) clockMargin() time.Duration {
	var fs unix.Statfs_t
	if unix.Fstatfs(r.fd, &fs) != nil {
		return remoteMargin
	}
	switch uint32(fs.Type) {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.V9FS_MAGIC,
		unix.FUSE_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.CODA_SUPER_MAGIC:
		return remoteMargin
	}
	return localMargin
}

func openFolder(at int, path string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(at, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// lister lists one folder at a time. It is not safe for concurrent use.
type lister struct {
	fd   int
	buf  []byte
	rest []byte // entries of buf not yet returned
	cstr *byte  // the current entry's name, ended by a zero byte, inside buf
	st   unix.Stat_t
}

func newLister() *lister { return &lister{fd: -1, buf: make([]byte, 64<<10)} }

// open opens a folder below the root, "" for the root itself, without following a link at its end.
func (l *lister) open(root contextRoot, rel string) (err error) {
	if rel == "" {
		rel = "."
	}
	l.rest = nil
	l.fd, err = openFolder(root.fd, rel, unix.O_NOFOLLOW)
	return err
}

func (l *lister) close() { unix.Close(l.fd) }

// Layout of struct linux_dirent64, see getdents64(2).
const (
	direntReclen = 16
	direntName   = 19
)

// next returns the name of the next entry, valid until the next call; nil at the end. "." and ".." are left out.
func (l *lister) next() ([]byte, error) {
	for {
		if len(l.rest) == 0 {
			n, err := unix.Getdents(l.fd, l.buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 || err != nil {
				return nil, err
			}
			l.rest = l.buf[:n]
		}
		size := int(*(*uint16)(unsafe.Pointer(&l.rest[direntReclen])))
		name := l.rest[direntName:size]
		l.rest = l.rest[size:]
		end := 0
		for name[end] != 0 {
			end++
		}
		if name[0] == '.' && (end == 1 || end == 2 && name[1] == '.') {
			continue
		}
		l.cstr = &name[0]
		return name[:end], nil
	}
}

// lstat fills st for the current entry.
func (l *lister) lstat(st *fileStat) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(l.fd), uintptr(unsafe.Pointer(l.cstr)),
			uintptr(unsafe.Pointer(&l.st)), unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		st.mode = l.st.Mode
		st.size = l.st.Size
		st.mtime = l.st.Mtim.Nano()
		st.ctime = l.st.Ctim.Nano()
		st.ino = l.st.Ino
		return nil
	}
}

// readlink returns the target of the link at a path below the root.
func (r contextRoot) readlink(rel string) (string, error) {
	return os.Readlink(filepath.Join(r.path, rel))
}
