package input

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"caisson/test/harness"
)

// architecture as images name it.
const architecture = runtime.GOARCH

var checks = []string{"rights", "kernel", "seccomp", "devices", "programs", "store", "sandbox", "network", "mmdebstrap"}

// runsAs is how doctor says whose number runs have.
func runsAs(u harness.User) string { return fmt.Sprintf("runs work as uid %d, gid %d", u.UID, u.GID) }

func TestDoctorShowsEachCheckAndTheEngine(t *testing.T) {
	tr := newTree(t, nil)
	out := tr.Must(t, "doctor").Stdout
	for _, name := range checks {
		if !regexp.MustCompile(`(?m)^ok  ` + name + ` +\S`).MatchString(out) {
			t.Errorf("there is no good line about %s:\n%s", name, out)
		}
	}
	says(t, out, "runc ", "caisson-engine ", tr.Store+", ", " GB free", runsAs(harness.Runner()), "\nengine: embedded, since ")
	if harness.Rootless() {
		says(t, out, "uid 54321, with subordinate ids", "no device node can be made in a user namespace")
	} else {
		says(t, out, "root; runs work as the caller", "device ")
	}
	says(t, tr.owned(t).Must(t, "doctor").Stdout, runsAs(harness.Tester))
}

func TestDoctorSaysWhatIsMissingAndTheNextStep(t *testing.T) {
	t.Run("a program", func(t *testing.T) {
		tr := newTree(t, nil).with("PATH=" + folderOf(t, "newuidmap", "newgidmap"))
		says(t, tr.Must(t, "doctor").Stdout, "--  mmdebstrap", "-> apt-get install mmdebstrap", "engine: embedded")
	})
	t.Run("a place for the store", func(t *testing.T) {
		tr := newTree(t, nil)
		dir := harness.TempDir(t)
		readOnly(t, dir)
		tr.Store = filepath.Join(dir, "store")
		r := tr.Command("doctor").Run(t)
		if r.Code != 125 {
			t.Errorf("status %d, want 125", r.Code)
		}
		says(t, r.Stdout, "NO  store", "-> name another folder with --store or CAISSON_STORE", "engine: none")
	})
}
