package image

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/moby/patternmatcher"
	"golang.org/x/sys/unix"
)

// folder is one folder of a walk. A worker owns it until it is read; after the walk it is constant.
type folder struct {
	path    string // below the context, "" for the context itself
	want    selection
	ignored bool // by a pattern, but walked because an exception may lie below
	info    patternmatcher.MatchInfo
	// records are the folder's entries as the file system lists them, encoded by appendRecord. The order of an unchanged
	// folder does not change, so sum needs no sorting; were it to change, a walk would cost more, nothing else.
	records []byte
	sum     [sha256.Size]byte // over records
	below   []*folder         // those of the records that have recordEntered, in their order
}

// Flags of a record.
const (
	recordUsed    = 1 << iota // belongs to the key, unless it is ignored
	recordEntered             // a folder that was walked
)

// A record is: flags, length of the name, stat, name. The stat of a folder has its mode only: its times change with
// files that do not matter.
const recordHead = 1 + 2 + statSize

func appendRecord(b []byte, flags byte, st *fileStat, name []byte) []byte {
	b = append(b, flags)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(name)))
	if st.kind() == unix.S_IFDIR {
		*st = fileStat{mode: st.mode}
	}
	b = st.append(b)
	return append(b, name...)
}

// walker lists the wanted part of a context with several workers, which share one stack of folders.
type walker struct {
	root   contextRoot
	ignore []string

	mu    sync.Mutex
	more  *sync.Cond
	todo  []*folder
	busy  int // workers that may still add folders
	err   error
	links map[string]pattern // ways on behind links that a source goes through
}

// walk returns the tree of what is wanted and, by their text, the patterns behind links that it met.
func walk(ctx context.Context, root contextRoot, want selection, ignore []string) (*folder, map[string]pattern, error) {
	top := &folder{want: want}
	w := &walker{root: root, ignore: ignore, todo: []*folder{top}, links: map[string]pattern{}}
	w.more = sync.NewCond(&w.mu)
	var workers sync.WaitGroup
	for range min(max(runtime.GOMAXPROCS(0), 2), 4) {
		workers.Go(func() { w.work(ctx) })
	}
	workers.Wait()
	return top, w.links, w.err
}

func (w *walker) work(ctx context.Context) {
	ig, err := newIgnorer(w.ignore)
	if err != nil {
		w.fail(err)
		return
	}
	one := &folderReader{walker: w, list: newLister(), ignore: ig}
	for f := w.take(); f != nil; f = w.swap(f.below) {
		err := ctx.Err()
		if err == nil {
			err = one.read(f)
		}
		if err != nil {
			w.fail(err)
		}
	}
}

// take waits for a folder; nil when there will be none.
func (w *walker) take() *folder {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.takeLocked()
}

// swap hands over the folders that were found in the last one and takes the next.
func (w *walker) swap(found []*folder) *folder {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	w.todo = append(w.todo, found...)
	if len(found) > 1 || w.busy == 0 {
		w.more.Broadcast()
	}
	return w.takeLocked()
}

func (w *walker) takeLocked() *folder {
	for len(w.todo) == 0 && w.busy > 0 && w.err == nil {
		w.more.Wait()
	}
	if len(w.todo) == 0 || w.err != nil {
		w.more.Broadcast()
		return nil
	}
	last := len(w.todo) - 1
	f := w.todo[last]
	w.todo = w.todo[:last]
	w.busy++
	return f
}

func (w *walker) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
	w.more.Broadcast()
}

func (w *walker) addLinks(found []pattern) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range found {
		w.links[p.String()] = p
	}
}

// folderReader is one worker's equipment.
type folderReader struct {
	*walker
	list    *lister
	ignore  *ignorer
	scratch []byte // records of the current folder
	arena   []byte // what is left of the memory for records of finished folders
}

const arenaSize = 256 << 10

// read lists one folder. A folder that has gone meanwhile is empty.
func (r *folderReader) read(f *folder) error {
	if err := r.list.open(r.root, f.path); err != nil {
		if gone(err) || f.ignored && errors.Is(err, unix.EACCES) {
			return nil
		}
		return fmt.Errorf("read context folder %q: %w; make it readable or name it in .dockerignore", f.path, err)
	}
	defer r.list.close()
	r.scratch = r.scratch[:0]
	for {
		name, err := r.list.next()
		if err != nil {
			return fmt.Errorf("read context folder %q: %w", f.path, err)
		}
		if name == nil {
			break
		}
		if err := r.entry(f, name); err != nil {
			return err
		}
	}
	f.sum = sha256.Sum256(r.scratch)
	if len(r.scratch) > len(r.arena) {
		r.arena = make([]byte, max(arenaSize, len(r.scratch)))
	}
	n := copy(r.arena, r.scratch)
	f.records, r.arena = r.arena[:n:n], r.arena[n:]
	return nil
}

// entry looks at one entry of a folder and records it when it is wanted.
func (r *folderReader) entry(f *folder, name []byte) error {
	used, rests := f.want.whole, []pattern(nil)
	if !f.want.whole {
		if used, rests = f.want.match(string(name)); rests == nil {
			return nil
		}
	}
	var st fileStat
	if err := r.list.lstat(&st); err != nil {
		if gone(err) {
			return nil
		}
		return fmt.Errorf("look at context file %q: %w", path.Join(f.path, string(name)), err)
	}
	var flags byte
	if used {
		flags = recordUsed
	}
	switch st.kind() {
	case unix.S_IFREG:
		if !used {
			return nil
		}
	case unix.S_IFLNK:
		flags = recordUsed
		if rests != nil {
			r.follow(path.Join(f.path, string(name)), rests)
		}
	case unix.S_IFDIR:
		child, err := r.child(f, string(name), used, rests)
		if err != nil || child == nil {
			return err
		}
		f.below = append(f.below, child)
		flags |= recordEntered
	default:
		return nil
	}
	r.scratch = appendRecord(r.scratch, flags, &st, name)
	return nil
}

// child makes the folder to walk for a folder entry, nil when nothing below it can count.
func (r *folderReader) child(f *folder, name string, used bool, rests []pattern) (*folder, error) {
	rel := name
	if f.path != "" {
		rel = f.path + "/" + name
	}
	ignored, info, err := r.ignore.match(rel, f.info)
	if err != nil || ignored && !r.ignore.mayHold(rel) {
		return nil, err
	}
	want := selection{whole: true}
	if !used {
		want = newSelection(rests)
	}
	return &folder{path: rel, want: want, ignored: ignored, info: info}, nil
}

// follow notes where sources go on behind a link. A link that has gone leads nowhere.
func (r *folderReader) follow(link string, rests []pattern) {
	target, err := r.root.readlink(link)
	if err != nil {
		return
	}
	found := make([]pattern, 0, len(rests))
	for _, rest := range rests {
		found = append(found, rest.through(link, target))
	}
	r.addLinks(found)
}

// gone says whether an error means that a file or folder is no longer there, or is something else now.
func gone(err error) bool {
	return slices.ContainsFunc([]error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP}, func(e error) bool { return errors.Is(err, e) })
}

// treeSum is a digest over all that the walk saw.
func treeSum(top *folder) [sha256.Size]byte {
	h := sha256.New()
	var add func(f *folder)
	add = func(f *folder) {
		h.Write(f.sum[:])
		for _, child := range f.below {
			add(child)
		}
	}
	add(top)
	return [sha256.Size]byte(h.Sum(nil))
}
