package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gofrs/flock"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"caisson/internal/image/base/index"
)

const (
	lockName    = "lock"
	stagePrefix = ".add-"
	// lockRetry is how long a caller waits before it asks for the store's lock again. The lock is held for some
	// milliseconds: renames and two small files.
	lockRetry = 10 * time.Millisecond
)

// store is the folder of the bases, an OCI layout.
type store struct {
	layout layout
	note   func(string)
}

// openStore makes the folder where it is missing.
func openStore(dir string, note func(string)) (*store, error) {
	st := &store{layout: layout(dir), note: note}
	if err := os.MkdirAll(st.layout.blobs(), 0o755); err != nil {
		return nil, fmt.Errorf("make the store of bases: %w", err)
	}
	marker := filepath.Join(dir, v1.ImageLayoutFile)
	if _, err := os.Stat(marker); errors.Is(err, fs.ErrNotExist) {
		text := fmt.Sprintf("{\"imageLayoutVersion\":%q}\n", v1.ImageLayoutVersion)
		if err := writeFile(marker, []byte(text)); err != nil {
			return nil, fmt.Errorf("make the store of bases: %w", err)
		}
	}
	return st, nil
}

// lock takes the store for changes until the returned function is called.
func (st *store) lock(ctx context.Context) (unlock func(), err error) {
	l := flock.New(filepath.Join(string(st.layout), lockName))
	if _, err := l.TryLockContext(ctx, lockRetry); err != nil {
		return nil, fmt.Errorf("lock the store of bases: %w", err)
	}
	return func() { _ = l.Close() }, nil // the kernel drops the lock with the file
}

// stage is the folder in which one add grows, inside the store so that its blobs only need to be renamed. Its lock is
// held as long as its owner lives.
type stage struct {
	layout layout
	lock   *flock.Flock
	note   func(string)
}

// begin makes a stage. The store's lock keeps a sweeper away until the stage has its own.
func (st *store) begin(ctx context.Context) (*stage, error) {
	unlock, err := st.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := st.sweep(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(string(st.layout), stagePrefix)
	if err != nil {
		return nil, fmt.Errorf("begin an add: %w", err)
	}
	s := &stage{layout: layout(dir), lock: flock.New(filepath.Join(dir, lockName)), note: st.note}
	if _, err := s.lock.TryLock(); err != nil {
		return nil, errors.Join(fmt.Errorf("begin an add: %w", err), s.discard())
	}
	if err := os.MkdirAll(s.layout.blobs(), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("begin an add: %w", err), s.discard())
	}
	return s, nil
}

// discard removes what the stage still holds. A network file system keeps a removed file as long as it is open, and with
// it the folder: both go once the lock is closed.
func (s *stage) discard() error {
	err := removeTree(string(s.layout))
	closed := s.lock.Close()
	if errors.Is(err, syscall.ENOTEMPTY) {
		err = removeTree(string(s.layout))
	}
	return errors.Join(err, closed)
}

// sweep removes the stages of adds that died. It needs the store's lock.
func (st *store) sweep() error {
	stages, err := filepath.Glob(filepath.Join(globEscape(string(st.layout)), stagePrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range stages {
		// Never made here: its owner may be removing the folder just now. One without a lock died before it had one,
		// or is being removed; the store's lock says that it does not begin.
		l := flock.New(filepath.Join(dir, lockName), flock.SetFlag(os.O_RDONLY))
		if free, err := l.TryLock(); !free && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := errors.Join(removeTree(dir), l.Close()); err != nil {
			return fmt.Errorf("remove what an earlier add left: %w", err)
		}
	}
	return nil
}

// globEscape quotes what filepath.Glob would take as a pattern: a store may lie below any name.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// removeTree removes a folder unless something is mounted in it, which would be emptied too.
func removeTree(dir string) error {
	if at := mountBelow(dir); at != "" {
		return fmt.Errorf("%s stays: something is mounted at %s; unmount it and remove the folder", dir, at)
	}
	return os.RemoveAll(dir)
}

// commit makes a staged image a base.
func (st *store) commit(ctx context.Context, s *stage, d v1.Descriptor, g *graph, e index.Entry) error {
	unlock, err := st.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	cat, err := st.load()
	if err != nil {
		return err
	}
	for _, b := range g.blobs {
		from, err := s.layout.blob(b.Digest)
		if err != nil {
			return err
		}
		to, err := st.layout.blob(b.Digest)
		if err != nil {
			return err
		}
		// One that is there already has the same content, or is damaged and healed by this.
		if err := os.Rename(from, to); err != nil {
			return fmt.Errorf("add the base %s: %w", e.Ref, err)
		}
	}
	cat.put(d, e)
	if err := st.save(cat); err != nil {
		return err
	}
	return st.collect(cat)
}

// collect drops the blobs that no base uses. It needs the store's lock. As long as one base is damaged, nothing is
// dropped: what belongs to it cannot be known.
func (st *store) collect(cat *catalog) error {
	keep := map[string]bool{}
	for _, d := range cat.index.Manifests {
		g, err := scan(st.layout, d)
		if err != nil {
			st.note(fmt.Sprintf("the base %s is damaged (%v): add it again", d.Annotations[v1.AnnotationRefName], err))
			return nil
		}
		for _, b := range g.blobs {
			keep[b.Digest.Encoded()] = true
		}
	}
	files, err := os.ReadDir(st.layout.blobs())
	if err != nil {
		return fmt.Errorf("drop unused blobs: %w", err)
	}
	for _, f := range files {
		if keep[f.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(st.layout.blobs(), f.Name())); err != nil {
			return fmt.Errorf("drop unused blobs: %w", err)
		}
	}
	return nil
}

// writeFile replaces a small file in one step: a reader sees the old one or the new one.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}
