// Package record remembers runs. Every run has a folder of its own below one runs folder:
//
//	<runs>/<id>/status.json   what ran, where, for whom, from when to when, how it ended; flock'ed by the client
//	<runs>/<id>/log           its standard output and standard error, as they came, if there was any
//	<runs>/<id>/events.jsonl  one JSON object a line, among them what a client that dies now would leave behind
//	<runs>/live/<id>          there while the run is not known to have ended
//
// A client calls Create, then writes, then Finish. It holds the lock from the first moment to the last, and the kernel
// drops it when the client dies, however it dies: a record whose lock can be taken and whose status has no end is a
// dead client's. The names in live/ only spare a search through all records; the lock decides. The order of steps keeps
// that true at any point of a crash: a record is complete and locked before its name appears in live/, no leftover is
// noted before that, and the name goes away only after the end is written.
//
// A run is short, and a new inode is what costs most here (0.3 ms on a busy ext4): Create makes two, and the log and
// the events come when there is something to write.
package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	statusName = "status.json"
	logName    = "log"
	eventsName = "events.jsonl"
	liveName   = "live"
)

// Record is the record of a run of this process, which owns it until Finish. Its methods may be called from several
// goroutines at once, Finish once and last.
type Record struct {
	dir    string // the runs folder
	status Status
	file   *os.File // status.json; holds the lock until Finish closes it

	mu     sync.Mutex
	log    *os.File // opened by the first write
	events *os.File // opened by the first event
	failed error    // the first write that failed
}

// Create begins the record of a run in the runs folder dir, which it makes when it is missing. PID, Hostname and
// Start are filled in where they are empty. Nothing is synced to the disk: a record has to survive its client, not
// the machine.
func Create(dir string, info Info) (*Record, error) {
	info.fill()
	r := &Record{dir: dir, status: Status{Info: info}}
	if err := r.create(); err != nil {
		return nil, fmt.Errorf("make the record of this run below %s: %w (make that folder writable, free space on "+
			"its disk, or choose another state folder)", dir, err)
	}
	return r, nil
}

func (r *Record) create() (err error) {
	if r.status.ID, err = makeFolder(r.dir, r.status.Start); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			r.closeFiles()
			err = errors.Join(err, os.RemoveAll(r.Dir()))
		}
	}()
	if r.file, err = os.OpenFile(r.path(statusName), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err = lockWait(r.file); err != nil {
		return err
	}
	// The mark comes first: whoever died over the status is found, and said to be killed.
	if err = mark(r.dir, r.status.ID); err != nil {
		return err
	}
	return r.status.write(r.file)
}

// mark makes a run's name in live/: a second name of its status, which is cheaper than a new file, or an empty file
// where there are no hard links.
func mark(dir, id string) error {
	link := func() error { return os.Link(filepath.Join(dir, id, statusName), livePath(dir, id)) }
	err := link()
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(filepath.Join(dir, liveName), 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			err = link()
		}
	}
	if err == nil {
		return nil
	}
	f, createErr := os.OpenFile(livePath(dir, id), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if createErr != nil {
		return createErr
	}
	return f.Close()
}

// makeFolder makes a record's folder under a fresh id; mkdir is what makes ids unique.
func makeFolder(dir string, now time.Time) (string, error) {
	for {
		id := newID(now)
		err := os.Mkdir(filepath.Join(dir, id), 0o700)
		switch {
		case err == nil:
			return id, nil
		case errors.Is(err, fs.ErrExist):
			continue
		case errors.Is(err, fs.ErrNotExist):
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return "", err
			}
		default:
			return "", err
		}
	}
}

func (r *Record) path(name string) string { return filepath.Join(r.dir, r.status.ID, name) }

func livePath(dir, id string) string { return filepath.Join(dir, liveName, id) }

// ID names the run. It is safe in a file name and sorts by time.
func (r *Record) ID() string { return r.status.ID }

// Dir is the record's folder, mode 0700; others may put files of the run there, which go with the record.
func (r *Record) Dir() string { return filepath.Join(r.dir, r.status.ID) }

// Log is where the run's output goes. Every write is one write to the file, so that a crash loses nothing. A write
// never fails: the run matters more than its log. Finish reports the first error, and nothing more is logged after it.
func (r *Record) Log() io.Writer { return logWriter{r} }

type logWriter struct{ r *Record }

func (w logWriter) Write(p []byte) (int, error) {
	f := w.r.openLog()
	if f == nil {
		return len(p), nil
	}
	if _, err := f.Write(p); err != nil {
		w.r.mu.Lock()
		defer w.r.mu.Unlock()
		w.r.remember("log", err)
	}
	return len(p), nil
}

// openLog returns the log, or nil after an error.
func (r *Record) openLog() *os.File {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return nil
	}
	if r.log == nil {
		var err error
		if r.log, err = r.openAppend(logName); err != nil {
			r.remember("log", err)
			return nil
		}
	}
	return r.log
}

func (r *Record) openAppend(name string) (*os.File, error) {
	return os.OpenFile(r.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// remember keeps the first error; r.mu is held.
func (r *Record) remember(what string, err error) {
	if r.failed == nil {
		r.failed = fmt.Errorf("write the %s of run %s: %w", what, r.status.ID, err)
	}
}

// Event adds a line to the events: time, kind and the fields, which are names and values in turn. An error is
// reported by Finish.
func (r *Record) Event(kind string, fields ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil {
		return
	}
	if err := r.event(kind, fields); err != nil {
		r.remember("events", err)
	}
}

// event writes one event; r.mu is held.
func (r *Record) event(kind string, fields []any) (err error) {
	if r.events == nil {
		if r.events, err = r.openAppend(eventsName); err != nil {
			return err
		}
	}
	_, err = r.events.Write(eventLine(time.Now(), kind, fields))
	return err
}

// Leftover notes a thing that this client is about to make and that would stay if it died: a cgroup's path, an upper
// folder. It is called before the thing is made; on an error the thing must not be made, since no sweep would find it.
func (r *Record) Leftover(kind, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.event(leftoverEvent, []any{"what", kind, "name", name}); err != nil {
		return fmt.Errorf("note %s %s in the record of run %s: %w", kind, name, r.status.ID, err)
	}
	return nil
}

// Finish writes how the run ended and lets go of the record. It is called when all leftovers are gone. Its error is
// about the record only (also one of an earlier write), never about the run.
func (r *Record) Finish(end End) error {
	r.mu.Lock()
	failed := r.failed
	r.mu.Unlock()
	if end.Time.IsZero() {
		end.Time = time.Now()
	}
	r.status.End = &end
	if failed != nil {
		r.status.Incomplete = failed.Error()
	}
	err := r.status.write(r.file)
	if err == nil {
		err = unmark(r.dir, r.status.ID)
	}
	if err != nil {
		err = fmt.Errorf("write the end of run %s into its record: %w", r.status.ID, err)
	}
	return errors.Join(failed, err, r.closeFiles())
}

// Abandon lets go of the record without an end, as the kernel does when the client dies. It is for a client that could
// not remove its leftovers: the next sweep finds them.
func (r *Record) Abandon() error { return r.closeFiles() }

func (r *Record) closeFiles() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, f := range []*os.File{r.events, r.log, r.file} { // the lock last
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// unmark removes a run's name from live/; it may be gone already.
func unmark(dir, id string) error {
	if err := os.Remove(livePath(dir, id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
