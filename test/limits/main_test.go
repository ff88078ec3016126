// Package limits tests what a run may have at most of memory, processors and processes, on this machine: as root the limits
// hold, and an ordinary user whose machine cannot give them is told so. Package machines tests both where there is cgroup v2
// alone.
package limits

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// rootHasLimits leaves a test out where the caller has none: TestAnOrdinaryUserIsToldWhatToDoForALimit.
func rootHasLimits(t testing.TB) {
	t.Helper()
	harness.RootOnly(t, "an ordinary user has limits on cgroup v2 alone; see package machines")
}

// want is what a run's end has to be.
type want struct {
	code        int
	says, hides []string // on standard error
}

func check(t *testing.T, r harness.Result, w want) {
	t.Helper()
	if r.Code != w.code {
		t.Errorf("status %d, want %d\n%s%s", r.Code, w.code, r.Stdout, r.Stderr)
	}
	for _, text := range w.says {
		if !strings.Contains(r.Stderr, text) {
			t.Errorf("no %q in:\n%s", text, r.Stderr)
		}
	}
	for _, text := range w.hides {
		if strings.Contains(r.Stderr, text) {
			t.Errorf("%q in:\n%s", text, r.Stderr)
		}
	}
}

// cgroupsOf are the cgroups on this machine of the runs that a store has records of.
func cgroupsOf(t testing.TB, store string) (found []string) {
	t.Helper()
	runs, err := os.ReadDir(filepath.Join(store, "runs"))
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]bool{}
	for _, run := range runs {
		ours["caisson-"+run.Name()] = true
	}
	err = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err): // others' cgroups come and go
			return nil
		case err == nil && d.IsDir() && ours[d.Name()]:
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
