package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"

	"golang.org/x/sys/unix"
)

// recordFile is the record of a built image, read and checked.
type recordFile struct{ wire.Record }

func (r recordFile) lowers(s Store) []string {
	abs := make([]string, len(r.Lowers))
	for i, l := range r.Lowers {
		abs[i] = s.path(l)
	}
	return abs
}

func (r recordFile) image() (engine.Image, error) {
	var img struct {
		Architecture, Variant string
		Config                engine.ImageConfig `json:"config"`
	}
	if err := json.Unmarshal(r.Config, &img); err != nil {
		return engine.Image{}, err
	}
	arch := img.Architecture
	if img.Variant != "" {
		arch += "/" + img.Variant
	}
	return engine.Image{Key: r.Key, Name: r.Name, Created: r.Created, Config: img.Config, Architecture: arch}, nil
}

// readRecord returns engine.ErrNoImage when there is no record, or one that cannot be used: that one is moved aside, and
// the image is built again.
func (s Store) readRecord(key string) (recordFile, error) {
	var r recordFile
	b, err := os.ReadFile(s.record(key))
	if errors.Is(err, os.ErrNotExist) {
		return r, engine.ErrNoImage
	}
	if err != nil {
		return r, storeError(string(s), err)
	}
	if err := s.checkRecord(key, b, &r); err != nil {
		if err := s.setAside(s.record(key)); err != nil {
			return r, err
		}
		return r, fmt.Errorf("%w: its record was damaged (%w)", engine.ErrNoImage, err)
	}
	return r, nil
}

func (s Store) checkRecord(key string, b []byte, r *recordFile) error {
	if err := json.Unmarshal(b, &r.Record); err != nil {
		return err
	}
	if r.Key != key || len(r.Lowers) == 0 {
		return errors.New("it is incomplete")
	}
	for _, l := range r.Lowers {
		if !filepath.IsLocal(l) {
			return fmt.Errorf("%q is not below the store", l)
		}
		if st, err := os.Stat(s.path(l)); err != nil || !st.IsDir() {
			return fmt.Errorf("layer %s is gone", l)
		}
	}
	_, err := r.image()
	return err
}

// setAside renames something damaged, so that it can be looked at, and `caisson clean` finds it.
func (s Store) setAside(path string) error {
	if err := os.Rename(path, wire.Aside(path)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return storeError(string(s), err)
	}
	return nil
}

// holdRecord reads a record and locks it against removal until the file is closed.
func (e *Engine) holdRecord(key string) (recordFile, *os.File, error) {
	f, err := os.Open(e.store.record(key))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = engine.ErrNoImage
		}
		return recordFile{}, nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		f.Close()
		return recordFile{}, nil, fmt.Errorf("the image is being removed: %w", err)
	}
	r, err := e.store.readRecord(key)
	if err != nil {
		f.Close()
	}
	return r, f, err
}
