package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"caisson/internal/engine"

	"golang.org/x/sys/unix"
)

// layer is the writable layer of one run's root file system, on disk, locked by the run's client. It also remembers the
// run's sandbox and cgroups, so that a later caisson can remove what is left when the client died.
type layer struct {
	dir  string
	lock *os.File
}

// remains is what a run may leave besides its layer. It is written before any of it is made.
type remains struct {
	Supervisor process
	Cgroups    []string // folders, absolute
}

const remainsFile = "remains.json"

// dyingTime bounds the wait for a sandbox that the kernel is killing.
const dyingTime = time.Second

// newLayer makes a run's layer under a hidden name and shows it once it is locked: a sweep never meets one that is not.
func (s Store) newLayer(id string, supervisor int, cgroups []string) (*layer, error) {
	making, err := s.makingLayers()
	if err != nil {
		return nil, storeError(string(s), err)
	}
	defer making.Close()
	l := &layer{dir: s.path("fs", "."+id)}
	if err := os.Mkdir(l.dir, 0o700); err != nil {
		return nil, storeError(string(s), err)
	}
	if err := l.fill(supervisor, cgroups); err != nil {
		_ = os.RemoveAll(l.dir)
		return nil, storeError(string(s), err)
	}
	shown := s.path("fs", id)
	if err := os.Rename(l.dir, shown); err != nil {
		_ = os.RemoveAll(l.dir)
		return nil, storeError(string(s), err)
	}
	l.dir = shown
	return l, nil
}

// makingLayers locks the folder of layers, shared, for as long as one is made in it under a hidden name.
func (s Store) makingLayers() (*os.File, error) { return s.lockLayers(unix.LOCK_SH) }

func (s Store) lockLayers(how int) (*os.File, error) {
	f, err := os.Open(s.path("fs"))
	if err != nil {
		return nil, err
	}
	if err := flock(f, how); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// deadLayers lists the folder of layers. Nobody is making one while the lock is held: hidden ones are dead clients' then,
// and those that follow have other names. Otherwise only the old ones are.
func (s Store) deadLayers() (candidates []string, err error) {
	lock, busy := s.lockLayers(unix.LOCK_EX | unix.LOCK_NB)
	if busy == nil {
		defer lock.Close()
	}
	es, err := os.ReadDir(s.path("fs"))
	if err != nil {
		return nil, storeError(string(s), err)
	}
	for _, e := range es {
		dir := s.path("fs", e.Name())
		if !strings.HasPrefix(e.Name(), ".") || busy == nil || olderThan(dir, layerSettle) {
			candidates = append(candidates, dir)
		}
	}
	return candidates, nil
}

func (l *layer) fill(supervisor int, cgroups []string) (err error) {
	if l.lock, err = lockFile(filepath.Join(l.dir, "lock"), unix.LOCK_EX); err != nil {
		return err
	}
	b, err := json.Marshal(remains{Supervisor: processOf(supervisor), Cgroups: cgroups})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.dir, remainsFile), b, 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(l.upper(), 0o755); err != nil { // its mode is what the container's / shows
		return err
	}
	return os.Mkdir(l.work(), 0o700)
}

func (l *layer) upper() string { return filepath.Join(l.dir, "upper") }
func (l *layer) work() string  { return filepath.Join(l.dir, "work") }

// remove drops the layer of this process's own run, once. Nothing may run in it any more.
func (l *layer) remove() {
	if l.dir != "" {
		_, _ = l.drop(l.remains())
		l.dir = ""
	}
}

// sweep drops the layer of a dead client. While its sandbox is still dying the layer stays for the next sweep: runc may be
// about to make another cgroup.
func (l *layer) sweep() ([]engine.Leftover, error) {
	r := l.remains()
	if !r.Supervisor.endsWithin(dyingTime) {
		return nil, l.lock.Close()
	}
	return l.drop(r)
}

func (l *layer) remains() (r remains) {
	if b, err := os.ReadFile(filepath.Join(l.dir, remainsFile)); err == nil {
		_ = json.Unmarshal(b, &r) // cut short: its client died before it made anything
	}
	return r
}

// drop removes the run's cgroups and then the layer, which stays when a cgroup does: nobody else knows of it.
func (l *layer) drop(r remains) (left []engine.Leftover, err error) {
	defer l.lock.Close()
	for _, d := range removeCgroups(r.Cgroups) {
		left = append(left, engine.Leftover{Kind: "cgroup", Name: d})
	}
	if anyExists(r.Cgroups) {
		return left, nil
	}
	err = removeTrees(l.dir)
	if errors.Is(err, unix.ENOTEMPTY) { // a network file system keeps a removed file, the lock, as long as it is open
		l.lock.Close()
		err = removeTrees(l.dir)
	}
	if err != nil {
		return left, fmt.Errorf("remove layer of a run: %w", err)
	}
	return append(left, engine.Leftover{Kind: "folder", Name: l.dir}), nil
}

// sweepLayers removes the layers of dead clients: those whose lock is free.
func (s Store) sweepLayers() ([]engine.Leftover, error) {
	dirs, err := s.deadLayers()
	if err != nil {
		return nil, err
	}
	var all []engine.Leftover
	for _, dir := range dirs {
		f, err := lockFile(filepath.Join(dir, "lock"), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue // alive, or gone meanwhile
		}
		left, err := (&layer{dir: dir, lock: f}).sweep()
		all = append(all, left...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}
