package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"caisson/test/harness"
)

// brood is a command that leaves all kinds of company behind: background children, a daemon in a session of its own,
// one that ignores every signal that can be ignored, and a zombie's parent.
const brood = `trap "" TERM HUP INT
sleep 1000 &
setsid sleep 1001 &
setsid sh -c 'trap "" TERM HUP INT; (sleep 1002 &) ; sleep 1003' &
(setsid sh -c 'sleep 0; exec sleep 1004' &)
nohup sleep 1005 >/dev/null 2>&1 &
touch /work/build/ready
while :; do sleep 1006; done`

func TestNothingIsLeftOfARunWhoseClientIsKilled(t *testing.T) {
	store := harness.ColdStore(t)
	root := harness.Project(t, "killed", nil)
	harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "true"}}.Must(t)
	tr := watch(t, store)
	known := tr.runs()
	ready := filepath.Join(root, "build", "ready")
	var worst time.Duration
	for i := range times(100) {
		if err := os.RemoveAll(ready); err != nil {
			t.Fatal(err)
		}
		c := start(t, harness.Command{
			Dir: root, Store: store, Env: []string{tr.mark},
			Args: []string{"-p", "tiny", "-e", tr.mark, "--", "sh", "-c", brood},
		})
		moment := time.Duration(rand.IntN(150_000)) * time.Microsecond
		what := fmt.Sprintf("kill %d, %s after the start", i, moment)
		if i%2 == 1 { // the command runs, with all its children
			if !harness.Eventually(30*time.Second, func() bool { _, err := os.Stat(ready); return err == nil }) {
				t.Fatalf("the command did not start:\n%s", c.errs.String())
			}
			moment /= 5
			what = fmt.Sprintf("kill %d, %s into the command", i, moment)
		}
		time.Sleep(moment)
		killed := time.Now()
		c.kill()
		worst = max(worst, tr.mustGo(killed, what))
		<-c.gone

		next := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "echo", "alive"}}.Must(t)
		if next.Stdout != "alive\n" {
			t.Fatalf("%s: the next command printed %q", what, next.Stdout)
		}
		tr.mustBeSwept()
		tr.oneRunWasKilled(known, i%2 == 1, what)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills; the slowest was cleared up after %s", times(100), worst.Round(time.Millisecond))
}

// oneRunWasKilled checks the records that are new: the next command's, which ended by itself, and the killed one's,
// which may be missing when the client had not got that far and must says no.
func (tr *traces) oneRunWasKilled(known map[string]*ending, must bool, what string) {
	tr.t.Helper()
	var hows []string
	for id, end := range tr.runs() {
		if _, old := known[id]; old {
			continue
		}
		known[id] = end
		if end == nil {
			status, _ := os.ReadFile(filepath.Join(tr.store, "runs", id, "status.json"))
			tr.t.Errorf("%s: run %s has no end in its record; marked as live: %q\n%s", what, id,
				names(tr.t, filepath.Join(tr.store, "runs", "live")), status)
			continue
		}
		hows = append(hows, fmt.Sprintf("%s %d", end.How, end.Code))
	}
	slices.Sort(hows)
	both := []string{"exited 0", "killed 137"}
	if !slices.Equal(hows, both) && (must || !slices.Equal(hows, both[:1])) {
		tr.t.Errorf("%s: the records say %q", what, hows)
	}
}
