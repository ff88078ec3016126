package image

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// contextFile is one entry of the context that belongs to the key.
type contextFile struct {
	path    string // slash path below the context
	stat    fileStat
	sum     [sha256.Size]byte // of the content, or of a link's target; zero for a folder
	settled bool              // sum holds as long as stat is the same
}

// identity is what the key covers of an entry besides its path, as text: kind, permissions, digest.
func (f *contextFile) identity() string {
	switch f.stat.kind() {
	case unix.S_IFDIR:
		return fmt.Sprintf("d %04o", f.stat.mode&0o7777)
	case unix.S_IFLNK:
		return fmt.Sprintf("l %x", f.sum) // the permissions of a link mean nothing
	}
	return fmt.Sprintf("f %04o %x", f.stat.mode&0o7777, f.sum)
}

// writeTo adds the entry to the digest over the context.
func (f *contextFile) writeTo(h hash.Hash, buf []byte) []byte {
	mode := f.stat.mode & 0o7777
	if f.stat.kind() == unix.S_IFLNK {
		mode = 0
	}
	buf = binary.LittleEndian.AppendUint32(buf[:0], uint32(len(f.path)))
	buf = append(buf, f.path...)
	buf = binary.LittleEndian.AppendUint32(buf, f.stat.kind())
	buf = binary.LittleEndian.AppendUint32(buf, mode)
	buf = append(buf, f.sum[:]...)
	h.Write(buf)
	return buf
}

func contentSum(files []contextFile) [sha256.Size]byte {
	h := sha256.New()
	var buf []byte
	for i := range files {
		buf = files[i].writeTo(h, buf)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// contextScan says which context to digest, and where its stat cache is.
type contextScan struct {
	dir     string
	sources []Source
	ignore  []string
	cache   string           // file of the stat cache
	now     func() time.Time // the clock of settled
}

// contextDigest is the outcome of a scan.
type contextDigest struct {
	sum [sha256.Size]byte
	// files are all entries in order of their paths; nil when the stat cache answered without them.
	files []contextFile
	read  int // files whose content was read
}

// rules is a digest over what selects files, so that a cached answer belongs to the same question.
func (s *contextScan) rules() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "rules %d\n", formatVersion)
	for _, source := range s.sources {
		fmt.Fprintf(h, "%q %t\n", source.Path, source.Literal)
	}
	for _, pattern := range s.ignore {
		fmt.Fprintf(h, "ignore %q\n", pattern)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (s *contextScan) run(ctx context.Context) (contextDigest, error) {
	if len(s.sources) == 0 {
		return contextDigest{sum: contentSum(nil), files: []contextFile{}}, nil
	}
	root, err := openContext(s.dir)
	if err != nil {
		return contextDigest{}, err
	}
	defer root.close()
	start := s.now()
	top, err := s.walk(ctx, root)
	if err != nil {
		return contextDigest{}, err
	}
	rules, tree := s.rules(), treeSum(top)
	if head, ok := readCacheHead(s.cache); ok && head.complete && head.rules == rules && head.tree == tree {
		return contextDigest{sum: head.content}, nil
	}
	files, err := s.collect(top)
	if err != nil {
		return contextDigest{}, err
	}
	todo := s.reuse(files, start, root.clockMargin())
	job := hashJob{dir: s.dir, files: files, todo: todo}
	missing, err := job.run(ctx)
	if err != nil {
		return contextDigest{}, err
	}
	files = without(files, missing)
	unsettled := slices.ContainsFunc(files, func(f contextFile) bool { return !f.settled })
	result := contextDigest{sum: contentSum(files), files: files, read: len(todo) - len(missing)}
	head := cacheHead{rules: rules, tree: tree, content: result.sum, complete: len(missing) == 0 && !unsettled}
	// Without a cache the next key costs more, nothing else.
	_ = writeAtomic(s.cache, encodeCache(head, files))
	return result, nil
}

// reuse takes sums from the stat cache for files whose stat is still the same, and returns the indices of the others.
func (s *contextScan) reuse(files []contextFile, start time.Time, margin time.Duration) (todo []int) {
	_, old, _ := readCache(s.cache)
	known := make(map[string]*contextFile, len(old))
	for i := range old {
		known[old[i].path] = &old[i]
	}
	for i := range files {
		f := &files[i]
		f.settled = f.stat.settled(start, margin)
		before := known[f.path]
		switch {
		case f.stat.kind() == unix.S_IFDIR:
		case before != nil && before.settled && before.stat == f.stat:
			f.sum = before.sum
		default:
			todo = append(todo, i)
		}
	}
	return todo
}

// maxLinks bounds the patterns that come from links, so that a link into itself ends.
const maxLinks = 256

// walk lists what the sources want and, for as long as they lead through further links, what these want too.
func (s *contextScan) walk(ctx context.Context, root contextRoot) (*folder, error) {
	var patterns []pattern
	known := map[string]bool{}
	for _, source := range s.sources {
		p := parsePattern(source)
		patterns = append(patterns, p)
		known[p.String()] = true
	}
	for {
		top, links, err := walk(ctx, root, newSelection(patterns), s.ignore)
		if err != nil {
			return nil, err
		}
		before := len(patterns)
		for _, text := range slices.Sorted(maps.Keys(links)) {
			if !known[text] && len(known) < len(s.sources)+maxLinks {
				known[text] = true
				patterns = append(patterns, links[text])
			}
		}
		if len(patterns) == before {
			return top, nil
		}
	}
}

// collect returns the entries of a walk that belong to the key, without sums, in order of their paths.
func (s *contextScan) collect(top *folder) ([]contextFile, error) {
	ig, err := newIgnorer(s.ignore)
	if err != nil {
		return nil, err
	}
	c := collector{ignore: ig, files: []contextFile{}}
	if err := c.folder(top); err != nil {
		return nil, err
	}
	return c.files, nil
}

type collector struct {
	ignore *ignorer
	files  []contextFile
}

// record is a decoded record.
type record struct {
	used  bool
	name  string
	stat  fileStat
	below *folder
}

// decode returns the records of a folder, sorted by name.
func (f *folder) decode() []record {
	var all []record
	entered := 0
	for b := f.records; len(b) > 0; {
		size := recordHead + int(binary.LittleEndian.Uint16(b[1:]))
		r := record{used: b[0]&recordUsed != 0, stat: decodeStat(b[3:]), name: string(b[recordHead:size])}
		if b[0]&recordEntered != 0 {
			r.below = f.below[entered]
			entered++
		}
		all = append(all, r)
		b = b[size:]
	}
	slices.SortFunc(all, func(a, b record) int { return strings.Compare(a.name, b.name) })
	return all
}

func (c *collector) folder(f *folder) error {
	for _, r := range f.decode() {
		path := r.name
		if f.path != "" {
			path = f.path + "/" + r.name
		}
		if r.below == nil {
			ignored, _, err := c.ignore.match(path, f.info)
			if err != nil {
				return err
			}
			if r.used && !ignored {
				c.files = append(c.files, contextFile{path: path, stat: r.stat})
			}
			continue
		}
		before := len(c.files)
		if r.used {
			c.files = append(c.files, contextFile{path: path, stat: r.stat})
		}
		if err := c.folder(r.below); err != nil {
			return err
		}
		// An ignored folder is there only for the sake of what an exception brings back.
		if r.used && r.below.ignored && len(c.files) == before+1 {
			c.files = c.files[:before]
		}
	}
	return nil
}

// without removes the entries at the given indices, which are sorted.
func without(files []contextFile, indices []int) []contextFile {
	kept := files[:0]
	for i, f := range files {
		if len(indices) > 0 && indices[0] == i {
			indices = indices[1:]
			continue
		}
		kept = append(kept, f)
	}
	return kept
}

// cachePath is the file of the stat cache for a context and a Dockerfile.
func cachePath(cacheDir, contextDir, dockerfile string) string {
	return filepath.Join(cacheDir, "contexts", hexSum([]byte(contextDir+"\x00"+dockerfile))+".bin")
}
