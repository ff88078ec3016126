package image

import (
	"fmt"
	"os"
	"path/filepath"
)

// writeAtomic replaces a file in one step, so that a reader sees the old or the new one; it makes the folder. Nothing is
// synced to the disk: readers check what they read, and a file that a crash spoiled is made again.
func writeAtomic(path string, data []byte) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make cache folder: %w", err)
	}
	f, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return fmt.Errorf("make cache file: %w", err)
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write cache file %s: %w", path, err)
	}
	return nil
}
