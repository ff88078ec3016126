package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Store is the folder that holds all that the embedded engine keeps. Its layout:
//
//	payload/    the unpacked programs
//	bases/      images that a FROM can name without a registry (OCI layout)
//	image/      plans, stat caches and keys of contexts (internal/image)
//	records/    one file per built image, by content key; a run holds a shared lock on its record
//	buildkit/   BuildKit's own state: snapshots, content, caches
//	fs/<id>/    a live run's root file system layer, locked by its client
//	scratch/    mount point of every sandbox's private tmpfs
//	builder.*   socket, start lock, liveness and log of the builder
type Store string

func (s Store) path(elem ...string) string {
	return filepath.Join(append([]string{string(s)}, elem...)...)
}

// ImageCache is the folder for internal/image.
func (s Store) ImageCache() string { return s.path("image") }

// Bases is the folder of caisson's own bases.
func (s Store) Bases() string { return s.path("bases") }

// Payload is the folder of unpacked programs.
func (s Store) Payload() string { return s.path("payload") }

func (s Store) record(key string) string { return s.path("records", key+".json") }

// OpenStore makes the store's folders where they are missing. A store belongs to one user: others can neither read it
// nor connect to its builder.
func OpenStore(dir string) (Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return "", storeError(abs, err)
	}
	if err := os.Mkdir(abs, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", storeError(abs, err)
	}
	// Symbolic links would enter the records' paths.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", storeError(abs, err)
	}
	if strings.ContainsAny(abs, ",:\\") { // containerd puts paths into mount options as they are
		return "", fmt.Errorf("store %q cannot be used: the path of an image's layers must have no comma, colon or backslash; name another folder with --store or CAISSON_STORE", abs)
	}
	var st unix.Stat_t
	if err := unix.Stat(abs, &st); err != nil {
		return "", storeError(abs, err)
	}
	if int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("store %s belongs to uid %d, not to uid %d; name another one with --store or CAISSON_STORE", abs, st.Uid, os.Geteuid())
	}
	if err := unix.Access(abs, unix.W_OK); err != nil { // a read-only disk, which is so for root, too
		return "", storeError(abs, err)
	}
	s := Store(abs)
	for _, d := range []string{"payload", "bases", "image", "records", "fs", "scratch"} {
		if err := os.Mkdir(s.path(d), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return "", storeError(abs, err)
		}
	}
	return s, nil
}

func storeError(dir string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.EROFS), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		hint = "; name a folder that can be written with --store or CAISSON_STORE"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		hint = "; free some space (`caisson clean` drops old runs and unused images) or name another place with --store"
	}
	return fmt.Errorf("store %s cannot be used: %w%s", dir, err, hint)
}

// lockFile opens a file for a lock of the kind that how says (flock(2)). The lock is held until the file is closed.
func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// short is a path to a file of the store that fits into a socket address (108 bytes) whatever the store's own path is;
// done releases it.
func (s Store) short(name string) (path string, done func(), err error) {
	d, err := os.Open(string(s))
	if err != nil {
		return "", nil, err
	}
	return "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + name, func() { d.Close() }, nil
}
