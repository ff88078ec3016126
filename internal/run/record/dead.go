package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"caisson/internal/engine"
)

// Orphan is the record of a dead client, locked for the caller of Dead until Close or Release.
type Orphan struct {
	Status
	Leftovers []engine.Leftover // in the order in which they were noted; each may be gone, or was never made

	dir  string   // the runs folder
	file *os.File // the status, which holds the lock
}

// Dead returns the records of clients of this machine that died, each locked, so that two sweeps do not collide: what
// another sweep holds is left out. It looks at live/ only. Records of other machines (a state folder on a shared disk)
// are left to their own sweeps. On an error the orphans found so far are returned too.
func Dead(dir string) ([]*Orphan, error) {
	names, err := ids(filepath.Join(dir, liveName))
	if err != nil {
		return nil, fmt.Errorf("look for dead runs: %w", err)
	}
	var orphans []*Orphan
	var errs []error
	for _, id := range names {
		orphan, err := adopt(dir, id)
		if err != nil {
			errs = append(errs, fmt.Errorf("look at run %s: %w", id, err))
		}
		if orphan != nil {
			orphans = append(orphans, orphan)
		}
	}
	return orphans, errors.Join(errs...)
}

// adopt locks the record of a mark; nil when its client lives, is another machine's, or ended after all.
func adopt(dir, id string) (*Orphan, error) {
	folder := filepath.Join(dir, id)
	file, err := tryLock(folder)
	if errors.Is(err, errLocked) {
		return nil, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		// A mark is made after the lock: this record was pruned, or somebody removed it by hand.
		return nil, unmark(dir, id)
	}
	if err != nil {
		return nil, err
	}
	// The status is read under the lock: the client may have ended between the look at live/ and now.
	status, err := readStatus(folder)
	if err != nil {
		// A client that died in the middle of its end. What it left is noted in another file.
		status = Status{ID: id, Info: Info{Start: idTime(id)}}
	}
	if status.End != nil {
		return nil, errors.Join(unmark(dir, id), file.Close())
	}
	if !ofThisMachine(status.Info) {
		return nil, file.Close()
	}
	leftovers, err := readLeftovers(filepath.Join(folder, eventsName))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Orphan{Status: status, Leftovers: leftovers, dir: dir, file: file}, nil
}

// ofThisMachine is true after a restart (another boot, the same name), in a container beside the client's (the same
// boot, another name), and for a status that says neither.
func ofThisMachine(info Info) bool {
	if info.Boot == "" && info.Hostname == "" || info.Boot != "" && info.Boot == bootID() {
		return true
	}
	name, err := os.Hostname()
	return err == nil && info.Hostname == name
}

// Close marks the run as killed, at the time of its last sign of life, and lets go of its record. It is called when
// the leftovers are gone.
func (o *Orphan) Close() error {
	folder := filepath.Join(o.dir, o.ID)
	o.End = &End{Time: lastSign(folder, o.Start), Code: 128 + 9, How: Killed}
	err := o.write(o.file)
	if err == nil {
		err = unmark(o.dir, o.ID)
	}
	if err != nil {
		err = fmt.Errorf("mark run %s as killed: %w", o.ID, err)
	}
	return errors.Join(err, o.file.Close())
}

// Release lets go of the record as it was found, for another sweep to try again.
func (o *Orphan) Release() error { return o.file.Close() }

// lastSign is when a run last wrote something.
func lastSign(folder string, start time.Time) time.Time {
	last := start
	for _, name := range []string{logName, eventsName} {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}
