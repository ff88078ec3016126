package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// form is what the store's file system can do, found out by a trial once.
type form struct {
	Device   uint64
	Rootless bool
	// Upper: it can hold the upper folder of an overlay. Where it cannot (overlayfs in a container, some network file
	// systems) images are kept as copies, and what a run writes to its root file system stays in memory.
	Upper bool
	Why   string // why it cannot
}

const formFile = "form.json"

// form reads what is known of the store's file system, or tries it.
func (s Store) form() (form, error) {
	var st unix.Stat_t
	if err := unix.Stat(string(s), &st); err != nil {
		return form{}, storeError(string(s), err)
	}
	f := form{Device: st.Dev, Rootless: rootless()}
	var known form
	if b, err := os.ReadFile(s.path(formFile)); err == nil && json.Unmarshal(b, &known) == nil {
		if known.Device == f.Device && known.Rootless == f.Rootless {
			return known, nil
		}
	}
	switch err := s.tryOverlay(); {
	case err == nil:
		f.Upper = true
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT): // says nothing about the file system
		return f, storeError(string(s), err)
	default:
		if err := probe(probeTask{}, sandbox.Options{}); err != nil { // it was not the overlay: no sandbox can be had
			return f, err
		}
		f.Why = firstLine(err)
	}
	b, err := json.Marshal(f)
	if err != nil {
		return f, err
	}
	tmp, err := os.CreateTemp(string(s), ".form-*")
	if err != nil {
		return f, storeError(string(s), err)
	}
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), s.path(formFile))); err != nil {
		return f, errors.Join(storeError(string(s), err), os.Remove(tmp.Name()))
	}
	return f, nil
}

// tryOverlay mounts an overlay in the store, and does in it what leaves marks.
func (s Store) tryOverlay() error {
	making, err := s.makingLayers() // no sweep takes the folder away meanwhile
	if err != nil {
		return storeError(string(s), err)
	}
	defer making.Close()
	dir, err := os.MkdirTemp(s.path("fs"), ".probe-")
	if err != nil {
		return storeError(string(s), err)
	}
	defer func() { _ = removeTrees(dir) }()
	in := func(name string) string { return filepath.Join(dir, name) }
	o := sandbox.Overlay{Lowers: []string{in("lower")}, Upper: in("upper"), Work: in("work"), Target: in("merged"), UserXattr: rootless()}
	for _, d := range []string{o.Lowers[0], o.Upper, o.Work, o.Target, filepath.Join(o.Lowers[0], "folder")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return storeError(string(s), err)
		}
	}
	for _, name := range []string{"file", "folder/file"} {
		if err := os.WriteFile(filepath.Join(o.Lowers[0], name), nil, 0o644); err != nil {
			return storeError(string(s), err)
		}
	}
	return probe(probeTask{Overlay: &o}, sandbox.Options{})
}

// exercise leaves both of an overlay's marks: that of a file that is gone, and that of a folder that hides another.
func exercise(merged string) error {
	folder := filepath.Join(merged, "folder")
	for _, err := range []error{os.Remove(filepath.Join(merged, "file")), os.RemoveAll(folder), os.Mkdir(folder, 0o755)} {
		if err != nil {
			return err
		}
	}
	es, err := os.ReadDir(folder)
	if err == nil && len(es) > 0 {
		err = errors.New("a folder that was deleted and made anew shows its old files")
	}
	return err
}

// words tell a person what it means that the store can hold no layers.
func (f form) words(s Store) string {
	return fmt.Sprintf("the store %s lies on %s, which cannot hold layers: images are kept as copies, and what a run writes to its root file system stays in memory; name a folder on a disk with --store or CAISSON_STORE", s, fileSystem(string(s)))
}

// fileSystems that are met under stores and cannot hold layers (statfs(2)).
var fileSystems = map[int64]string{
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs", unix.NFS_SUPER_MAGIC: "NFS", unix.FUSE_SUPER_MAGIC: "FUSE", unix.CIFS_SUPER_MAGIC: "CIFS",
	unix.SMB2_SUPER_MAGIC: "SMB", unix.V9FS_MAGIC: "9p", unix.MSDOS_SUPER_MAGIC: "FAT", unix.ECRYPTFS_SUPER_MAGIC: "eCryptfs",
}

func fileSystem(path string) string {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) == nil {
		if name := fileSystems[int64(st.Type)]; name != "" {
			return name
		}
	}
	return "a file system"
}
