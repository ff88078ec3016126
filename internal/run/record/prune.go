package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// What is kept when nobody says otherwise.
const (
	KeepRecords = 200
	KeepAge     = 30 * 24 * time.Hour
	KeepBytes   = 1_000_000_000 // of logs and events together
)

// young is how long a folder without a status is left alone: its client may be about to write it.
const young = time.Hour

// gone begins the name of a record on its way out, so that nobody reads half of one.
const gone = "gone-"

// Prune removes the oldest records, so that at most keep stay, none older than maxAge, with logs and events of at most
// maxBytes together (the newest record stays whatever its size). Live runs are never touched and count. It says how
// many it removed; an error does not stop it. What it remembers of trees goes with maxAge too.
func Prune(dir string, keep int, maxAge time.Duration, maxBytes int64) (removed int, err error) {
	names, err := ids(dir)
	if err != nil {
		return 0, fmt.Errorf("prune runs: %w", err)
	}
	slices.Reverse(names) // the newest first
	errs := []error{emptyTrash(dir), pruneTrees(dir, maxAge)}
	oldest := time.Now().Add(-maxAge)
	var bytes int64
	for i, id := range names {
		bytes += size(filepath.Join(dir, id))
		if i < keep && !idTime(id).Before(oldest) && (bytes <= maxBytes || i == 0) {
			continue
		}
		ok, err := remove(dir, id)
		if ok {
			removed++
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove the record of run %s: %w", id, err))
		}
	}
	return removed, errors.Join(errs...)
}

// size of a record's big files, in bytes.
func size(folder string) (n int64) {
	for _, name := range []string{logName, eventsName} {
		if info, err := os.Lstat(filepath.Join(folder, name)); err == nil {
			n += info.Size()
		}
	}
	return n
}

// remove takes one record away, if no client holds it and no sweep still needs it.
func remove(dir, id string) (bool, error) {
	folder := filepath.Join(dir, id)
	file, err := tryLock(folder)
	switch {
	case errors.Is(err, errLocked):
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		info, err := os.Lstat(folder)
		if err != nil || time.Since(info.ModTime()) < young {
			return false, nil // pruned by another, or just being made
		}
	case err != nil:
		return false, err
	default:
		defer file.Close() // nothing was written to it
		if waitsForSweep(folder) {
			return false, nil
		}
	}
	trash := filepath.Join(dir, gone+id)
	if err := os.Rename(folder, trash); err != nil {
		return false, err
	}
	return true, errors.Join(unmark(dir, id), os.RemoveAll(trash))
}

// waitsForSweep: a client of this machine died and what it left is still noted here only.
func waitsForSweep(folder string) bool {
	status, err := readStatus(folder)
	if err == nil && (status.End != nil || !ofThisMachine(status.Info)) {
		return false
	}
	if info, statErr := os.Lstat(folder); err != nil && statErr == nil && time.Since(info.ModTime()) < young {
		return true
	}
	leftovers, err := readLeftovers(filepath.Join(folder, eventsName))
	return err != nil || len(leftovers) > 0
}

// emptyTrash finishes what a Prune that was killed began.
func emptyTrash(dir string) error {
	entries, err := filepath.Glob(filepath.Join(escapeGlob(dir), gone+"*"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range entries {
		if isID(strings.TrimPrefix(filepath.Base(path), gone)) {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
