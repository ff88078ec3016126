package ccache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// All of this runs with the person's rights (ascaller).

// makeShared makes the shared folder or checks the one that is there: a real folder, the person's own, mode 0700, in
// a folder where nobody else can put another one in its place. The error says, for people, why it is not to be used.
func makeShared(o Options) (made bool, err error) {
	parent, err := openFolder(filepath.Dir(o.shared), 0)
	if err != nil {
		return false, fmt.Errorf("%s cannot be opened: %w", filepath.Dir(o.shared), err)
	}
	defer unix.Close(parent)
	var st unix.Stat_t
	if err := unix.Fstat(parent, &st); err != nil {
		return false, fmt.Errorf("%s cannot be read: %w", filepath.Dir(o.shared), err)
	}
	if st.Uid != 0 && int(st.Uid) != o.UID || st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return false, fmt.Errorf("others could replace folders in %s", filepath.Dir(o.shared))
	}
	fd, made, err := makeIn(parent, filepath.Base(o.shared), 0o700, o.UID, o.GID)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return false, fmt.Errorf("%s is not a real folder", o.shared)
	}
	if err != nil {
		// Another person's folder cannot even be opened: say whose it is.
		if unix.Fstatat(parent, filepath.Base(o.shared), &st, unix.AT_SYMLINK_NOFOLLOW) == nil && int(st.Uid) != o.UID {
			err = fmt.Errorf("it belongs to uid %d: %w", st.Uid, err)
		}
		return false, fmt.Errorf("%s cannot be used: %w", o.shared, err)
	}
	defer unix.Close(fd)
	if err := private(fd, o.UID); err != nil {
		return made, fmt.Errorf("%s %w", o.shared, err)
	}
	if err := unix.Fchmod(fd, 0o700); err != nil {
		return made, fmt.Errorf("%s cannot be closed to others: %w", o.shared, err)
	}
	if err := checkWritable(o.shared, o); err != nil {
		return made, fmt.Errorf("%s cannot be written: %w", o.shared, err)
	}
	return made, nil
}

// private is an error unless only uid could have put something into the open folder.
func private(fd, uid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if int(st.Uid) != uid {
		return fmt.Errorf("belongs to uid %d, not to %d", st.Uid, uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("was open for others to write (mode %04o)", st.Mode&0o7777)
	}
	return nil
}

func checkPrivate(dir string, uid int) error {
	fd, err := openFolder(dir, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := private(fd, uid); err != nil {
		return fmt.Errorf("it %w", err)
	}
	return nil
}

func openFolder(path string, flags int) (int, error) {
	return retry(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|flags, 0)
	})
}

// makeIn makes one folder, or opens the one that is there, but never follows a symbolic link to it.
func makeIn(parent int, name string, mode uint32, uid, gid int) (fd int, made bool, err error) {
	err = unix.Mkdirat(parent, name, mode)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, false, err
	}
	made = err == nil
	fd, err = retry(func() (int, error) {
		return unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, made, err
	}
	if made && os.Geteuid() == 0 && uid != 0 { // a no-op where ascaller made it theirs already
		if err := giveTo(fd, uid, gid); err != nil {
			unix.Close(fd)
			return -1, made, err
		}
	}
	return fd, made, nil
}

func giveTo(fd, uid, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if int(st.Uid) == uid {
		return nil
	}
	return unix.Fchown(fd, uid, gid)
}

// makeAll makes path and what is missing above it, and says whether it made path. What exists may be reached through
// symbolic links; what is new is not.
func makeAll(path string, uid, gid int) (made bool, err error) {
	var missing []string // the innermost first
	fd, err := openFolder(path, 0)
	for errors.Is(err, unix.ENOENT) && path != "/" {
		missing = append(missing, filepath.Base(path))
		path = filepath.Dir(path)
		fd, err = openFolder(path, 0)
	}
	if err != nil {
		return false, &os.PathError{Op: "open", Path: path, Err: err}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		mode := uint32(0o700)
		if i > 0 {
			mode = 0o755
		}
		next, ok, err := makeIn(fd, missing[i], mode, uid, gid)
		unix.Close(fd)
		path = filepath.Join(path, missing[i])
		if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
			return false, fmt.Errorf("%s is a symbolic link to something that does not exist", path)
		}
		if err != nil {
			return false, &os.PathError{Op: "mkdir", Path: path, Err: err}
		}
		fd, made = next, ok
	}
	return made, unix.Close(fd)
}

// checkWritable asks the kernel, which knows of access lists and read-only mounts.
func checkWritable(dir string, o Options) error {
	return unix.Faccessat(unix.AT_FDCWD, dir, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}

// retry runs f until no signal interrupts it.
func retry(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
