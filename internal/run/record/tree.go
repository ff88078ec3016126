package record

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// tree is what is remembered of a source tree, in <runs>/../trees/<hash of its root>.json. The tree itself stays free
// of such notes: build/ belongs to the user.
type tree struct {
	Root     string    `json:"root"`
	Platform string    `json:"platform"` // the last one that wrote build/
	Time     time.Time `json:"time"`
}

func treePath(dir, root string) string {
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(treesDir(dir), hex.EncodeToString(sum[:16])+".json")
}

func treesDir(dir string) string { return filepath.Join(filepath.Dir(filepath.Clean(dir)), "trees") }

// LastPlatform is the platform that wrote the build folder of the tree with that root last, "" when that is not known.
func LastPlatform(dir, root string) string {
	data, err := os.ReadFile(treePath(dir, root))
	if err != nil {
		return ""
	}
	var t tree
	if json.Unmarshal(data, &t) != nil || t.Root != root {
		return ""
	}
	return t.Platform
}

// SetLastPlatform remembers that platform writes the build folder of the tree with that root from now on.
func SetLastPlatform(dir, root, platform string) error {
	data, err := json.Marshal(tree{Root: root, Platform: platform, Time: time.Now()})
	if err != nil {
		return fmt.Errorf("remember the platform of %s: %w", root, err)
	}
	if LastPlatform(dir, root) == platform {
		now := time.Now()
		if os.Chtimes(treePath(dir, root), now, now) == nil { // keeps it from being pruned
			return nil
		}
	}
	if err := replaceFile(treePath(dir, root), data); err != nil {
		return fmt.Errorf("remember the platform of %s: %w", root, err)
	}
	return nil
}

// replaceFile writes path at once or not at all; its folder is made when it is missing.
func replaceFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) // best effort: pruneTrees takes what stays
	}
	return err
}

// pruneTrees forgets trees that were not used for maxAge.
func pruneTrees(dir string, maxAge time.Duration) error {
	entries, err := os.ReadDir(treesDir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	oldest := time.Now().Add(-maxAge)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !info.ModTime().Before(oldest) {
			continue
		}
		err = os.Remove(filepath.Join(treesDir(dir), e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
