package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bigTree makes 20,000 files in 420 folders of three levels.
func bigTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for a := range 20 {
		for b := range 20 {
			folder := filepath.Join(dir, fmt.Sprintf("component%02d", a), fmt.Sprintf("module%02d", b))
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			for c := range 50 {
				name := filepath.Join(folder, fmt.Sprintf("source_file_%02d.cc", c))
				if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return dir
}

// bareWalk is the yardstick: list every folder and lstat every entry with the same raw calls, in two threads, and keep
// nothing. It returns the number of entries.
func bareWalk(t testing.TB, dir string) int {
	root, err := openContext(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	var mu sync.Mutex
	more := sync.NewCond(&mu)
	todo, busy, total := []string{""}, 0, 0
	var threads sync.WaitGroup
	for range 2 {
		threads.Go(func() {
			list := newLister()
			var found []string
			count := 0
			mu.Lock()
			defer mu.Unlock()
			defer func() { total += count }()
			for {
				for len(todo) == 0 && busy > 0 {
					more.Wait()
				}
				if len(todo) == 0 {
					more.Broadcast()
					return
				}
				path := todo[len(todo)-1]
				todo = todo[:len(todo)-1]
				busy++
				mu.Unlock()
				var n int
				found, n = bareFolder(t, root, list, path, found[:0])
				count += n
				mu.Lock()
				busy--
				todo = append(todo, found...)
				if len(found) > 1 || busy == 0 {
					more.Broadcast()
				}
			}
		})
	}
	threads.Wait()
	return total
}

func bareFolder(t testing.TB, root contextRoot, list *lister, path string, found []string) ([]string, int) {
	if err := list.open(root, path); err != nil {
		t.Error(err)
		return found, 0
	}
	defer list.close()
	var st fileStat
	for n := 0; ; n++ {
		name, err := list.next()
		if err == nil && name != nil {
			err = list.lstat(&st)
		}
		if err != nil {
			t.Error(err)
		}
		if name == nil {
			return found, n
		}
		if st.kind() == unix.S_IFDIR {
			found = append(found, filepath.Join(path, string(name)))
		}
	}
}

// The promise: the key of an unchanged context of 20,000 files costs at most 1.3 times a bare walk, and reads no file.
func TestAnUnchangedContextCostsLittleMoreThanAWalk(t *testing.T) {
	dir := bigTree(t)
	in := inputOf(t, dir, ".")
	if k := keyOf(t, in); k.FilesRead != 20000 {
		t.Fatalf("read %d files for the first key", k.FilesRead)
	}
	const rounds = 25
	var ratios []float64
	var walks, keys []time.Duration
	measureWalk := func() time.Duration {
		start := time.Now()
		if n := bareWalk(t, dir); n != 20420 {
			t.Fatalf("the walk saw %d entries", n)
		}
		return time.Since(start)
	}
	measureKey := func() time.Duration {
		start := time.Now()
		k, err := ComputeKey(context.Background(), in)
		took := time.Since(start)
		check(t, err)
		if k.FilesRead != 0 {
			t.Fatalf("read %d files of an unchanged context", k.FilesRead)
		}
		return took
	}
	for i := range rounds {
		var walked, keyed time.Duration
		if i%2 == 0 {
			walked, keyed = measureWalk(), measureKey()
		} else {
			keyed, walked = measureKey(), measureWalk()
		}
		walks, keys = append(walks, walked), append(keys, keyed)
		ratios = append(ratios, float64(keyed)/float64(walked))
	}
	ratio := median(ratios)
	t.Logf("unchanged context of 20,000 files: key %s, bare walk %s, ratio %.2f (medians of %d rounds; ratios %.2f to %.2f)",
		median(keys), median(walks), ratio, rounds, slices.Min(ratios), slices.Max(ratios))
	if ratio > 1.3 {
		t.Errorf("a key costs %.2f times a bare walk, more than 1.3", ratio)
	}
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func BenchmarkKeyOfAnUnchangedContext(b *testing.B) {
	dir := bigTree(b)
	in := KeyInput{CacheDir: b.TempDir(), ContextDir: dir, Dockerfile: filepath.Join(dir, "Dockerfile"), Plan: planOf(".")}
	if _, err := computeKey(context.Background(), in, later); err != nil {
		b.Fatal(err)
	}
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ComputeKey(context.Background(), in); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare walk", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bareWalk(b, dir)
		}
	})
}
