package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// State of a run, seen from outside.
type State string

// The states of a run.
const (
	StateLive    State = "live"    // its client runs
	StateEnded   State = "ended"   // its end is in the record
	StateDead    State = "dead"    // its client died before the end
	StateCorrupt State = "corrupt" // the record cannot be read: Entry.Err says why
)

// Entry is one record.
type Entry struct {
	Status
	Dir   string // the record's folder
	State State
	Err   error // with StateCorrupt; ID and Dir are set even then
}

// LogPath is the file of the run's output. It may be gone.
func (e Entry) LogPath() string { return filepath.Join(e.Dir, logName) }

// EventsPath is the file of the run's events. A run without events has none.
func (e Entry) EventsPath() string { return filepath.Join(e.Dir, eventsName) }

// List returns all records, the newest last. A record that cannot be read is an entry with StateCorrupt. A runs
// folder that does not exist has none.
func List(dir string) ([]Entry, error) {
	names, err := ids(dir)
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	entries := make([]Entry, 0, len(names))
	for _, id := range names {
		if e, ok := read(dir, id); ok {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// ids are the names of the records in dir, or of the marks in its live folder, sorted.
func ids(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !isID(name) })
	slices.Sort(names)
	return names, nil
}

// read returns the entry of one record; false when it was pruned just now.
func read(dir, id string) (Entry, bool) {
	e := Entry{Dir: filepath.Join(dir, id)}
	e.Status, e.Err = readStatus(e.Dir)
	// The end is read before the lock is looked at: the other order would call a run dead that ends in between.
	if e.Err == nil && e.End == nil {
		var live bool
		if live, e.Err = locked(e.Dir); e.Err == nil && !live {
			// It may have ended just now, with its lock dropped after the first look.
			e.Status, e.Err = readStatus(e.Dir)
		}
		e.State = StateDead
		if live {
			e.State = StateLive
		}
	}
	switch {
	case e.Err != nil:
		if _, err := os.Lstat(e.Dir); errors.Is(err, fs.ErrNotExist) {
			return Entry{}, false
		}
		e.Status = Status{ID: id, Info: Info{Start: idTime(id)}}
		e.State = StateCorrupt
	case e.End != nil:
		e.State = StateEnded
	}
	return e, true
}

// ErrNoRun: no record has that id.
var ErrNoRun = errors.New("no such run")

// Find returns the record whose id begins with typed, or, if none does, ends with it (4 characters or more). No match
// is an ErrNoRun whose text names the nearest ids; more than one match is an error that names them.
func Find(dir, typed string) (Entry, error) {
	part, err := typedID(typed)
	if err != nil {
		return Entry{}, err
	}
	all, err := ids(dir)
	if err != nil {
		return Entry{}, fmt.Errorf("find run %s: %w", typed, err)
	}
	found := filter(all, func(id string) bool { return strings.HasPrefix(id, part) })
	if len(found) == 0 && len(part) >= shortChars {
		found = filter(all, func(id string) bool { return strings.HasSuffix(id, part) })
	}
	switch len(found) {
	case 0:
		return Entry{}, notFound(typed, part, all)
	case 1:
		if e, ok := read(dir, found[0]); ok {
			return e, nil
		}
		return Entry{}, notFound(typed, part, all)
	}
	return Entry{}, fmt.Errorf("%s names %d runs (%s): type more of the id, or its last %d characters",
		typed, len(found), few(found), shortChars)
}

func filter(all []string, keep func(string) bool) []string {
	return slices.DeleteFunc(slices.Clone(all), func(id string) bool { return !keep(id) })
}

func notFound(typed, part string, all []string) error {
	if len(all) == 0 {
		return fmt.Errorf("%w: %s (nothing has run yet)", ErrNoRun, typed)
	}
	near := filter(all, func(id string) bool { return distance(part, id) <= max(1, len(part)/4) })
	if len(near) == 0 {
		return fmt.Errorf("%w: %s (the last ones are %s)", ErrNoRun, typed, few(all))
	}
	return fmt.Errorf("%w: %s (did you mean %s?)", ErrNoRun, typed, few(near))
}

// few names at most the three last of ids, the newest first.
func few(ids []string) string {
	last := slices.Clone(ids[max(0, len(ids)-3):])
	slices.Reverse(last)
	text := strings.Join(last, ", ")
	if len(ids) > len(last) {
		text += ", …"
	}
	return text
}

// Live returns the live runs in place on the tree with that root, the oldest first; all live runs when root is "". A run that asks after it made its
// own record sees every other one that did so before; Others leaves out its own.
func Live(dir, root string) ([]Entry, error) {
	names, err := ids(filepath.Join(dir, liveName))
	if err != nil {
		return nil, fmt.Errorf("look for live runs: %w", err)
	}
	var entries []Entry
	for _, id := range names {
		e, ok := read(dir, id)
		if ok && e.State == StateLive && (root == "" || e.Root == root && e.Mode == InPlace) {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Others are the live runs in place on the tree of r, without r.
func (r *Record) Others() ([]Entry, error) {
	entries, err := Live(r.dir, r.status.Root)
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.ID == r.status.ID }), err
}
