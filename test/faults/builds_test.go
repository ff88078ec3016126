package faults

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"caisson/test/harness"
)

// longStep is a Dockerfile whose only step tells that it runs and then goes on for long, with company. No two are alike,
// so none is ever cached.
func longStep(n int) string {
	return fmt.Sprintf("FROM tiny\nRUN echo step-%d-runs; sleep 1000 & setsid sleep 1001 & trap '' TERM HUP INT; while :; do sleep 1002; done\n", n)
}

// stepRuns is what a client prints when the long step runs.
func stepRuns(n int) string { return fmt.Sprintf(" step-%d-runs\n", n) }

func TestNothingIsLeftOfAnImageBuildWhoseClientIsKilled(t *testing.T) {
	store := harness.ColdStore(t)
	root := harness.Project(t, "killed", nil)
	dockerfile := filepath.Join(root, "ci/docker/Dockerfile.build.tiny")
	tr := watch(t, store)
	var worst time.Duration
	for i := range times(20) {
		write(t, dockerfile, longStep(i))
		c := start(t, harness.Command{Dir: root, Store: store, Env: []string{tr.mark}, Args: []string{"-p", "tiny", "-b", "--output", "plain"}})
		moment := time.Duration(rand.IntN(800)) * time.Millisecond
		what := fmt.Sprintf("kill %d, %s after the start", i, moment)
		switch i % 4 {
		case 0, 1: // the step runs
			c.says(stepRuns(i))
			moment /= 10
			what = fmt.Sprintf("kill %d, %s into the step", i, moment)
		case 2: // the builder is just being started
			moment /= 100
			what = fmt.Sprintf("kill %d, %s into the start of the builder", i, moment)
			if !harness.Eventually(time.Minute, func() bool { return tr.noteBuilder() }) {
				t.Fatal("no builder was started")
			}
		}
		time.Sleep(moment)
		tr.noteBuilder()
		killed := time.Now()
		c.kill()
		worst = max(worst, tr.mustGo(killed, what))
		<-c.gone

		harness.Command{Dir: root, Store: store, Args: []string{"version"}}.Must(t)
		write(t, dockerfile, fmt.Sprintf("FROM tiny\nRUN echo next-%d > /next\n", i))
		next := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/next"}}.Must(t)
		if next.Stdout != fmt.Sprintf("next-%d\n", i) {
			t.Fatalf("%s: the next command printed %q", what, next.Stdout)
		}
		tr.mustGo(time.Now(), "builder of the next command")
		tr.mustBeSwept()
		mustHaveNoBundles(t, store)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills; the slowest was cleared up after %s", times(20), worst.Round(time.Millisecond))
}

// mustHaveNoBundles looks for the folders that BuildKit makes for each running step. The files beside them serve all
// steps.
func mustHaveNoBundles(t testing.TB, store string) {
	t.Helper()
	executors, err := filepath.Glob(filepath.Join(store, "buildkit", "*", "executor"))
	if err != nil || len(executors) == 0 {
		t.Fatalf("no executor folder: %v", err)
	}
	for _, dir := range executors {
		bundles, err := filepath.Glob(filepath.Join(dir, "*", "*"))
		if err != nil || len(bundles) > 0 {
			t.Errorf("left of a build: %q %v", bundles, err)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
