//go:build !(linux && (amd64 || arm64 || riscv64))

package image

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// contextRoot is the context folder.
type contextRoot struct{ path string }

func openContext(path string) (contextRoot, error) {
	if _, err := os.ReadDir(path); err != nil {
		return contextRoot{}, fmt.Errorf("open context folder: %w", err)
	}
	return contextRoot{path}, nil
}

func (contextRoot) close() {}

// clockMargin is by how much a time stamp of this file system may lag behind the clock of this machine. Nothing is known
// about the file system here, so it is taken for a server's.
func (contextRoot) clockMargin() time.Duration { return remoteMargin }

// lister lists one folder at a time. It is not safe for concurrent use.
type lister struct {
	folder  string
	names   []string
	current string
}

func newLister() *lister { return &lister{} }

// open reads a folder below the root, "" for the root itself, without following a link at its end.
func (l *lister) open(root contextRoot, rel string) error {
	l.folder = filepath.Join(root.path, rel)
	var st unix.Stat_t
	if err := unix.Lstat(l.folder, &st); err != nil {
		return err
	}
	if rel != "" && uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR {
		return unix.ENOTDIR
	}
	f, err := os.Open(l.folder)
	if err != nil {
		return err
	}
	defer f.Close()
	l.names, err = f.Readdirnames(-1)
	return err
}

func (l *lister) close() {}

// next returns the name of the next entry; nil at the end.
func (l *lister) next() ([]byte, error) {
	if len(l.names) == 0 {
		return nil, nil
	}
	l.current, l.names = l.names[0], l.names[1:]
	return []byte(l.current), nil
}

// lstat fills st for the current entry.
func (l *lister) lstat(st *fileStat) error {
	var raw unix.Stat_t
	if err := unix.Lstat(filepath.Join(l.folder, l.current), &raw); err != nil {
		return err
	}
	*st = fileStat{mode: uint32(raw.Mode), size: int64(raw.Size), mtime: raw.Mtim.Nano(), ctime: raw.Ctim.Nano(), ino: uint64(raw.Ino)}
	return nil
}

// readlink returns the target of the link at a path below the root.
func (r contextRoot) readlink(rel string) (string, error) {
	return os.Readlink(filepath.Join(r.path, rel))
}
