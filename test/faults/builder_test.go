package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestABuilderThatIsKilledFailsItsCallersAndNobodyElse(t *testing.T) {
	for _, victim := range []struct{ name, argv string }{
		{"the builder", "caisson-engine\x00serve\x00"},
		{"its supervisor", "caisson-supervisor\x00detached\x00"},
	} {
		t.Run(victim.name, func(t *testing.T) {
			tr := watch(t, harness.ColdStore(t))
			root := harness.Project(t, "builder", map[string]string{"ci/docker/Dockerfile.build.tiny": longStep(0)})
			c := start(t, harness.Command{Dir: root, Store: tr.store, Env: []string{tr.mark}, Args: []string{"-p", "tiny", "-b", "--output", "plain"}})
			c.says(stepRuns(0))
			tr.noteBuilder()
			killed := time.Now()
			if err := syscall.Kill(tr.find(victim.argv), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if code := c.code(); code != 125 {
				t.Errorf("the caller: status %d, want 125", code)
			}
			if said := c.errs.String(); !strings.Contains(said, "the builder") || !strings.Contains(said, "again") {
				t.Errorf("it does not say that the builder died and what to do:\n%s", said)
			}
			tr.mustGo(killed, "the builder's death")
			next := harness.Project(t, "next", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo after > /after\n"})
			if r := (harness.Command{Dir: next, Store: tr.store, Args: []string{"-p", "tiny", "cat", "/after"}}).Must(t); r.Stdout != "after\n" {
				t.Errorf("the next command printed %q", r.Stdout)
			}
			tr.mustBeSwept()
			mustHaveNoBundles(t, tr.store)
		})
	}
}

func TestACallerWithSeveralTriesSurvivesTheDeathOfItsBuilder(t *testing.T) {
	tr := watch(t, harness.ColdStore(t))
	wait, goOn := gateway(t)
	root := harness.Project(t, "builder", map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo step-0-runs; " + wait + "; echo made > /made\n",
	})
	c := start(t, harness.Command{Dir: root, Store: tr.store, Env: []string{tr.mark}, Args: []string{"-p", "tiny", "-r", "2", "--output", "plain", "-e", tr.mark, "--", "cat", "/made"}})
	c.says(stepRuns(0))
	if err := syscall.Kill(tr.find("caisson-engine\x00serve\x00"), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	goOn()
	if code := c.code(); code != 0 || c.out.String() != "made\n" {
		t.Errorf("status %d, stdout %q\n%s", code, c.out.String(), c.errs.String())
	}
	tr.mustGo(time.Now(), "after the run")
}

// find returns the process of this store whose command line begins with argv and that is not a run's.
func (tr *traces) find(argv string) int {
	tr.t.Helper()
	var pids []int
	for _, pid := range harness.Processes(tr.t, "CAISSON_STORE="+tr.store) {
		cmdline, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if n, err := strconv.Atoi(pid); err == nil && bytes.HasPrefix(cmdline, []byte(argv)) {
			pids = append(pids, n)
		}
	}
	if len(pids) != 1 {
		tr.t.Fatalf("processes %q: %v, want one", argv, pids)
	}
	return pids[0]
}
