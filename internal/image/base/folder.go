package base

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// packer writes a folder as a tar whose top is the folder itself.
type packer struct {
	ctx    context.Context
	top    string
	except os.FileInfo // a folder to leave out; nil is none
	tw     *tar.Writer
	inodes map[inode]string // name under which a file of several names was written
	// caller is the user whose own files become root's. An ordinary user who unpacks a root file system owns all of it.
	caller int
}

type inode struct{ dev, ino uint64 }

// packFolder writes owners, modes, times, links and the attributes that an image can hold. /proc and /sys stay empty,
// sockets are left out, and so is the folder except.
func packFolder(ctx context.Context, dir, except string, caller int, w io.Writer) error {
	top, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	p := &packer{ctx: ctx, top: top, tw: tar.NewWriter(w), inodes: map[inode]string{}, caller: caller}
	if p.except, err = os.Stat(except); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := filepath.WalkDir(top, p.visit); err != nil {
		return fmt.Errorf("pack the folder %s: %w", dir, err)
	}
	return p.tw.Close()
}

func (p *packer) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: run it as the owner of the files, or pack them as a tar", err)
		}
		return err
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if path == p.top {
		return nil // who unpacks makes it with mode 0755; this one may be a private folder
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if info.Mode().Type() == fs.ModeSocket {
		return nil
	}
	if p.except != nil && os.SameFile(info, p.except) {
		return fs.SkipDir
	}
	name := filepath.ToSlash(strings.TrimPrefix(path[len(p.top):], string(filepath.Separator)))
	if err := p.write(path, name, info); err != nil {
		return err
	}
	if info.IsDir() && (name == "proc" || name == "sys") {
		return fs.SkipDir
	}
	return nil
}

func (p *packer) write(path, name string, info fs.FileInfo) error {
	target := ""
	if info.Mode().Type() == fs.ModeSymlink {
		var err error
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname = name, "", ""
	if info.IsDir() {
		h.Name += "/"
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		if p.caller > 0 && h.Uid == p.caller {
			h.Uid, h.Gid = 0, 0
		}
		id := inode{uint64(stat.Dev), stat.Ino}
		if first, seen := p.inodes[id]; seen && !info.IsDir() {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return p.tw.WriteHeader(h)
		}
		if stat.Nlink > 1 && !info.IsDir() {
			p.inodes[id] = name
		}
	}
	if h.PAXRecords, err = attributes(path, info); err != nil {
		return err
	}
	if err := p.tw.WriteHeader(h); err != nil {
		return err
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	return p.content(path, h.Size)
}

// content copies exactly the bytes that the header promised: a file that is being written to may have grown.
func (p *packer) content(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(p.tw, contextReader{p.ctx, f}, size); err != nil {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s became shorter while it was read", path)
		}
		return err
	}
	return nil
}

// attributes are the extended ones that belong into an image, as PAX records the way Docker and containerd read them:
// capabilities of programs, and users' own. Marks of overlayfs and of this machine's security modules do not.
func attributes(path string, info fs.FileInfo) (map[string]string, error) {
	if !info.Mode().IsRegular() && !info.IsDir() {
		return nil, nil
	}
	size, err := unix.Llistxattr(path, nil)
	if size == 0 || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the attributes of %s: %w", path, err)
	}
	list := make([]byte, size)
	if size, err = unix.Llistxattr(path, list); err != nil {
		return nil, fmt.Errorf("list the attributes of %s: %w", path, err)
	}
	records := map[string]string{}
	for _, raw := range bytes.Split(list[:size], []byte{0}) {
		name := string(raw)
		if name != "security.capability" && (!strings.HasPrefix(name, "user.") || strings.HasPrefix(name, "user.overlay.")) {
			continue
		}
		value := make([]byte, 64<<10) // the most that Linux allows, in bytes
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, fmt.Errorf("read the attribute %s of %s: %w", name, path, err)
		}
		records["SCHILY.xattr."+name] = string(value[:n])
	}
	return records, nil
}
