// Package input tests what the built program makes of what people give it: wrong input of every kind, each answered by
// the thing and the next step, edits of an image's files, and the subcommands that keep the house.
package input

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// tree is a project and what it is run with.
type tree struct{ harness.Tree }

// newTree makes a project named demo with these files beside those of harness.Project.
func newTree(t *testing.T, files map[string]string) tree {
	t.Helper()
	return tree{harness.NewTree(t, files)}
}

// with is the tree with more in the environment.
func (tr tree) with(env ...string) tree { return tree{tr.With(env...)} }

// owned is the tree as the tester's, who calls caisson.
func (tr tree) owned(t *testing.T) tree {
	t.Helper()
	return tree{tr.Owned(t)}
}

// refused runs a command that caisson has to refuse with these words, and returns what it said.
func (tr tree) refused(t *testing.T, args []string, words ...string) string {
	t.Helper()
	return refusal(t, tr.Command(args...).Run(t), words...)
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
