// Package security attacks: it does what a hostile project, image or neighbour would do, and checks that it gains nothing.
// docs/security.md names each of its tests.
package security

import (
	"os"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// soon is how long anything hostile may keep a run, with room for a busy machine.
const soon = time.Minute

// place is where hostile code runs.
type place struct {
	name string
	tree harness.Tree
	step bool // in a RUN step, else in a run
	root bool // as root of the container
}

// places are a RUN step, a run of the tester's, and in mode root one of root's. The script is in both at /probe, of the
// base's language; what it prints is what said returns.
func places(t testing.TB, base, interpreter, script string) []place {
	t.Helper()
	files := map[string]string{
		"ci/docker/probe":                  script,
		"ci/docker/Dockerfile.build.runs":  "FROM " + base + "\nCOPY probe /probe\n",
		"ci/docker/Dockerfile.build.steps": "FROM " + base + "\nCOPY probe /probe\nRUN " + interpreter + " /probe > /said 2>&1\n",
	}
	all := []place{
		{name: "in a run of an ordinary user", tree: harness.NewTree(t, files).Owned(t)},
		{name: "in a RUN step", tree: harness.NewTree(t, files), step: true},
	}
	if !harness.Rootless() { // nobody else can be root in a run
		all = append(all, place{name: "in a run of root", tree: harness.NewTree(t, files), root: true})
	}
	return all
}

// said is what the script prints, with these flags before the command.
func (p place) said(t testing.TB, interpreter string, flags ...string) string {
	t.Helper()
	if p.step {
		return p.tree.Must(t, append(flags, "-p", "steps", "cat", "/said")...).Stdout
	}
	return p.tree.Must(t, append(flags, "-p", "runs", interpreter, "/probe")...).Stdout
}

// tiny is a tree with one platform of this Dockerfile.
func tiny(t testing.TB, dockerfile string) harness.Tree {
	t.Helper()
	return harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": dockerfile})
}

// sh runs a script on platform tiny.
func sh(t testing.TB, tr harness.Tree, script string) string {
	t.Helper()
	return tr.Must(t, "-p", "tiny", "sh", "-c", script).Stdout
}

// refused checks that a command failed before anything ran, with these words.
func refused(t testing.TB, r harness.Result, words ...string) {
	t.Helper()
	if r.Code == 0 {
		t.Errorf("status 0, printed %q, said:\n%s", r.Stdout, r.Stderr)
	}
	for _, word := range words {
		if !strings.Contains(r.Stderr, word) {
			t.Errorf("it does not say %q:\n%s", word, r.Stderr)
		}
	}
}

// worksOrSays checks that a command works, or fails with an error of caisson's and not of nobody's.
func worksOrSays(t testing.TB, r harness.Result) {
	t.Helper()
	if r.Code != 0 && !strings.Contains(r.Stderr, "caisson: ") {
		t.Errorf("status %d without a word:\n%s", r.Code, r.Stderr)
	}
	if r.Took > soon {
		t.Errorf("it took %s", r.Took)
	}
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func contains(t testing.TB, text, word string) {
	t.Helper()
	if !strings.Contains(text, word) {
		t.Errorf("it does not say %q:\n%s", word, text)
	}
}

// closeFile makes a file root's, for nobody else to read.
func closeFile(t testing.TB, path string) {
	t.Helper()
	must(t, os.Chown(path, 0, 0))
	must(t, os.Chmod(path, 0o600))
}
