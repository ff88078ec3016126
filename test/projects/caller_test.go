// Package projects builds real projects with the built program, as an ordinary caller: Debian's sources of zstd and lz4,
// and the example of this repository.
package projects

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// tree is a project of the tester's.
type tree struct{ harness.Tree }

// newTree makes an empty tree; what fill puts there becomes the tester's. Its compiler cache is empty at first.
func newTree(t *testing.T, name string, fill func(root string)) tree {
	t.Helper()
	root := filepath.Join(harness.TempDir(t), name)
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	fill(root)
	return tree{harness.Tree{Root: root, Store: harness.Store(t)}.Owned(t)}
}

// removeBuild is what a person does for a new beginning.
func (tr tree) removeBuild(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(tr.File("build")); err != nil {
		t.Fatal(err)
	}
}

// allTheCallers checks who owns the tree and the compiler cache.
func (tr tree) allTheCallers(t *testing.T) {
	t.Helper()
	for _, dir := range []string{tr.Root, tr.Cache} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != harness.Tester.UID || int(st.Gid) != harness.Tester.GID {
				t.Errorf("%s belongs to %d:%d, not to the caller", path, st.Uid, st.Gid)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// fileSays checks what file(1) says of a file, behind links.
func (tr tree) fileSays(t *testing.T, name string, words ...string) {
	t.Helper()
	out := harness.Program(t, tr.Root, "file", "-bL", name)
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("file calls %s %q, without %q", name, strings.TrimSpace(out), w)
		}
	}
}

var cacheLine = regexp.MustCompile(`ccache: (\d+) hits?, (\d+) miss(?:es)? \(`)

// hits of the compiler cache in one run, by caisson's own line.
func hits(t *testing.T, r harness.Result) (hits, misses int) {
	t.Helper()
	m := cacheLine.FindStringSubmatch(r.Stderr)
	if m == nil {
		t.Fatalf("no line says what the compiler cache did:\n%s", r.Stderr)
	}
	hits, _ = strconv.Atoi(m[1])
	misses, _ = strconv.Atoi(m[2])
	return hits, misses
}

// secondIsWarm checks two builds of the same tree, the first one with an empty compiler cache.
func secondIsWarm(t *testing.T, cold, warm harness.Result) {
	t.Helper()
	if h, m := hits(t, cold); h > m/10 || m == 0 {
		t.Errorf("the first build had %d hits and %d misses: its cache was not empty", h, m)
	}
	h, m := hits(t, warm)
	t.Logf("first build %.2f s, second %.2f s (%.2f of it), with %d hits and %d misses",
		cold.Took.Seconds(), warm.Took.Seconds(), warm.Took.Seconds()/cold.Took.Seconds(), h, m)
	if 100*h < 95*(h+m) {
		t.Errorf("the second build had %d hits and %d misses, less than 95 %% hits", h, m)
	}
}
