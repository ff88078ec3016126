// Package projects builds real projects with the built program, as an ordinary caller: Debian's sources of zstd and lz4,
// and the example of this repository.
package projects

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

// The caller in these tests is nobody that the machine knows, who uses sudo.
const (
	callerUID = 54321
	callerGID = 54322
)

// tree is a project of the caller's, with a compiler cache of its own that is empty at first.
type tree struct{ root, cache, store string }

// newTree makes an empty tree; what fill puts there becomes the caller's.
func newTree(t *testing.T, name string, fill func(root string)) tree {
	t.Helper()
	top := t.TempDir()
	// The folder around those of a test is closed to others, and the caller is one.
	if err := os.Chmod(filepath.Dir(top), 0o755); err != nil {
		t.Fatal(err)
	}
	tr := tree{root: filepath.Join(top, name), cache: filepath.Join(top, "ccache"), store: harness.Store(t)}
	for _, dir := range []string{tr.root, tr.cache} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fill(tr.root)
	for _, dir := range []string{tr.root, tr.cache} {
		command(t, "", "chown", "-R", fmt.Sprintf("%d:%d", callerUID, callerGID), dir)
	}
	return tr
}

// caisson runs a command line of the caller's in the tree; it has to succeed.
func (tr tree) caisson(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return harness.Command{Dir: tr.root, Store: tr.store, Args: args, Env: []string{
		"SUDO_UID=" + strconv.Itoa(callerUID), "SUDO_GID=" + strconv.Itoa(callerGID), "CCACHE_DIR=" + tr.cache,
	}}.Must(t)
}

// file is the path of a file of the tree.
func (tr tree) file(name string) string { return filepath.Join(tr.root, name) }

// removeBuild is what a person does for a new beginning.
func (tr tree) removeBuild(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(tr.file("build")); err != nil {
		t.Fatal(err)
	}
}

// allTheCallers checks who owns the tree and the compiler cache.
func (tr tree) allTheCallers(t *testing.T) {
	t.Helper()
	for _, dir := range []string{tr.root, tr.cache} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			if st := info.Sys().(*syscall.Stat_t); st.Uid != callerUID || st.Gid != callerGID {
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
	out := command(t, tr.root, "file", "-bL", name)
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

// command runs a program of this machine and returns what it printed.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
