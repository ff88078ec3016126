package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Resolved remembers which digest a registry gave for a reference, in cacheDir/resolved.json. Several processes may use
// it at once. The zero value is not usable; make it with OpenResolved.
type Resolved struct{ dir string }

// OpenResolved returns the store of a cache folder. Nothing is read or made yet.
func OpenResolved(cacheDir string) Resolved { return Resolved{cacheDir} }

// resolution is one remembered answer.
type resolution struct {
	Digest string    `json:"digest"`
	Time   time.Time `json:"time"` // when it was asked
}

func (r Resolved) path() string { return filepath.Join(r.dir, "resolved.json") }

// Get returns the digest last put for ref ("sha256:…") and when. A file that cannot be decoded counts as empty.
func (r Resolved) Get(ref string) (digest string, at time.Time, ok bool, err error) {
	all, err := r.read()
	if err != nil {
		return "", time.Time{}, false, err
	}
	found, ok := all[ref]
	return found.Digest, found.Time, ok, nil
}

// Put remembers a digest. The lock is held for one read and one write of a small file.
func (r Resolved) Put(ref, digest string) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(r.dir, "resolved.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock resolved references: %w", err)
	}
	defer lock.Close() // the lock goes with the file
	for {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock resolved references: %w", err)
	}
	all, err := r.read()
	if err != nil {
		return err
	}
	all[ref] = resolution{Digest: digest, Time: time.Now().UTC()}
	data, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return fmt.Errorf("encode resolved references: %w", err)
	}
	return writeAtomic(r.path(), data)
}

func (r Resolved) read() (map[string]resolution, error) {
	data, err := os.ReadFile(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]resolution{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read resolved references: %w", err)
	}
	all := map[string]resolution{}
	if json.Unmarshal(data, &all) != nil || all == nil {
		return map[string]resolution{}, nil
	}
	return all, nil
}
