package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// hashJob reads the contents of files.
type hashJob struct {
	dir   string
	files []contextFile
	todo  []int // indices of files
}

// run fills the sums of all files in todo and returns the indices, sorted, of those that have gone meanwhile.
func (j *hashJob) run(ctx context.Context) ([]int, error) {
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	var missing []int
	next := 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	for range min(runtime.GOMAXPROCS(0), len(j.todo)) {
		group.Go(func() error {
			h, buf := sha256.New(), make([]byte, 128<<10)
			for n := take(); n < len(j.todo); n = take() {
				if err := ctx.Err(); err != nil {
					return err
				}
				f := &j.files[j.todo[n]]
				err := f.hash(j.dir, h, buf)
				if gone(err) {
					mu.Lock()
					missing = append(missing, j.todo[n])
					mu.Unlock()
				} else if err != nil {
					return fmt.Errorf("read context file %q: %w; make it readable or name it in .dockerignore", f.path, err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	slices.Sort(missing)
	return missing, err
}

// hash fills the sum of a file or link. h and buf are reused from file to file.
func (f *contextFile) hash(dir string, h hash.Hash, buf []byte) error {
	path := filepath.Join(dir, f.path)
	h.Reset()
	if f.stat.kind() == unix.S_IFLNK {
		target, err := os.Readlink(path)
		if errors.Is(err, unix.EINVAL) { // no link any more
			return unix.ENOENT
		}
		if err != nil {
			return err
		}
		h.Write([]byte(target))
		h.Sum(f.sum[:0])
		return nil
	}
	// Were the file a pipe by now, opening it would wait for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		n, err := file.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	h.Sum(f.sum[:0])
	return nil
}
