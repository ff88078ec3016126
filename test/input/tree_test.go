// Package input tests what the built program makes of what people give it: wrong input of every kind, each answered by
// the thing and the next step, edits of an image's files, and the subcommands that keep the house.
package input

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

// The ordinary caller in these tests is nobody that the machine knows.
const callerUID, callerGID = 54321, 54322

// tree is a project and what it is run with.
type tree struct {
	root, store string
	env         []string
}

// newTree makes a project named demo with these files beside those of harness.Project. Everybody may enter it.
func newTree(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := harness.Project(t, "demo", files)
	open(t, root)
	return tree{root: root, store: harness.Store(t), env: []string{"CCACHE_DIR=" + filepath.Join(t.TempDir(), "ccache")}}
}

// open lets everybody enter the folder of a test that this path lies in: the one around it is closed to others.
func open(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(filepath.Dir(filepath.Dir(path)), 0o755); err != nil {
		t.Fatal(err)
	}
}

// owned is the tree as an ordinary caller's, who uses sudo.
func (tr tree) owned(t *testing.T) tree {
	t.Helper()
	program(t, "chown", "-R", fmt.Sprintf("%d:%d", callerUID, callerGID), tr.root)
	cache := filepath.Join(filepath.Dir(tr.root), "ccache")
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(cache, callerUID, callerGID); err != nil {
		t.Fatal(err)
	}
	return tr.with("SUDO_UID="+strconv.Itoa(callerUID), "SUDO_GID="+strconv.Itoa(callerGID), "CCACHE_DIR="+cache)
}

// with is the tree with more in the environment.
func (tr tree) with(env ...string) tree {
	tr.env = append(tr.env[:len(tr.env):len(tr.env)], env...)
	return tr
}

func (tr tree) command(args ...string) harness.Command {
	return harness.Command{Dir: tr.root, Store: tr.store, Env: tr.env, Args: args}
}

// must runs a command that has to succeed.
func (tr tree) must(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return tr.command(args...).Must(t)
}

// refused runs a command that caisson has to refuse with these words, and returns what it said.
func (tr tree) refused(t *testing.T, args []string, words ...string) string {
	t.Helper()
	return refusal(t, tr.command(args...).Run(t), words...)
}

// refusal checks how caisson says no: status 125, nothing on standard output, its own name before the words.
func refusal(t *testing.T, r harness.Result, words ...string) string {
	t.Helper()
	if r.Code != 125 || r.Stdout != "" {
		t.Errorf("status %d and standard output %q, want 125 and nothing", r.Code, r.Stdout)
	}
	if !strings.HasPrefix(r.Stderr, "caisson: ") {
		t.Errorf("it does not say who speaks:\n%s", r.Stderr)
	}
	says(t, r.Stderr, words...)
	for _, word := range []string{"panic", "goroutine", "%!", "rpc error", "failed to solve"} {
		if strings.Contains(r.Stderr, word) {
			t.Errorf("it says %q:\n%s", word, r.Stderr)
		}
	}
	return r.Stderr
}

// says checks that a text has all the words.
func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("it does not say %q:\n%s", w, text)
		}
	}
}

// write changes files of the tree.
func (tr tree) write(t *testing.T, files map[string]string) {
	t.Helper()
	harness.Write(t, tr.root, files)
}

// read is the content of a file of the tree.
func (tr tree) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tr.root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// program runs a program of this machine and returns what it printed.
func program(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// readOnly mounts a folder read-only on itself until the test ends.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	err := syscall.Mount(dir, dir, "", syscall.MS_BIND, "")
	if err == nil {
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, 0); err != nil {
				t.Errorf("unmount %s: %v", dir, err)
			}
		})
		err = syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
	}
	if err != nil {
		t.Fatalf("mount %s read-only: %v", dir, err)
	}
}
