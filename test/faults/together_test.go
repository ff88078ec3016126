package faults

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// onceEach is a project of four platforms whose steps print what no second execution would print again.
func onceEach(t testing.TB) (root string, platforms []string) {
	files := map[string]string{"ci/docker/data": "for COPY\n"}
	for i := range 4 {
		p := fmt.Sprintf("p%d", i)
		platforms = append(platforms, p)
		files["ci/docker/Dockerfile.build."+p] = "FROM tiny\nCOPY data /data\n" +
			"RUN cat /proc/sys/kernel/random/uuid > /id; echo first-step=$(cat /id); sleep 0.5\n" +
			"RUN cat /proc/sys/kernel/random/uuid >> /id; echo second-step=$(tail -n 1 /id); echo " + p + " >> /id\n"
	}
	return harness.Project(t, "together", files), platforms
}

var execution = regexp.MustCompile(`(?m)\b(first|second)-step=[0-9a-f-]{36}$`)

func TestEightCallersOnAColdStoreBuildEachOfFourImagesOnce(t *testing.T) {
	for round := range max(1, times(5)) {
		store := harness.ColdStore(t)
		root, platforms := onceEach(t)
		tr := watch(t, store)
		var callers []*client
		for _, p := range append(platforms, platforms...) {
			callers = append(callers, start(t, harness.Command{
				Dir: root, Store: store, Env: []string{tr.mark}, Args: []string{"-p", p, "--output", "plain", "-e", tr.mark, "--", "cat", "/id"},
			}))
		}
		for i, c := range callers {
			if code := c.code(); code != 0 {
				t.Errorf("round %d: caller %d of %s: status %d\n%s", round, i, platforms[i%4], code, c.errs.String())
			}
		}
		ended := time.Now()
		if t.Failed() {
			return
		}
		for i, p := range platforms {
			one, two := callers[i], callers[i+4]
			if one.out.String() != two.out.String() || !strings.Contains(one.out.String(), p) {
				t.Errorf("round %d: %s: two images: %q and %q", round, p, one.out.String(), two.out.String())
			}
			ran := map[string]bool{}
			for _, e := range execution.FindAllString(one.errs.String()+two.errs.String(), -1) {
				ran[e] = true
			}
			if len(ran) != 2 {
				t.Errorf("round %d: %s: its two steps ran as %q\n--- one\n%s\n--- two\n%s", round, p, slices.Sorted(maps.Keys(ran)),
					one.errs.String(), two.errs.String())
			}
		}
		tr.mustGo(ended, "after the last caller")
		harness.Command{Dir: root, Store: store, Args: []string{"-p", "p0", "true"}}.Must(t)
		tr.mustBeSwept()
		mustHaveNoBundles(t, store)
	}
}

// Four callers build: two the same image, two others. The step of each waits until the test lets it go on.
func fourCallers(t testing.TB, tr *traces) (callers []*client, goOn func()) {
	t.Helper()
	wait, goOn := gateway(t)
	files := map[string]string{}
	for _, p := range []string{"same", "other", "third"} {
		files["ci/docker/Dockerfile.build."+p] = "FROM tiny\nRUN echo step-of-" + p + "-runs; " + wait + "; echo " + p + " > /made\n"
	}
	root := harness.Project(t, "four", files)
	for _, p := range []string{"same", "same", "other", "third"} {
		c := start(t, harness.Command{Dir: root, Store: tr.store, Env: []string{tr.mark}, Args: []string{"-p", p, "--output", "plain", "-e", tr.mark, "--", "cat", "/made"}})
		c.says(" step-of-" + p + "-runs\n") // the first one has started the builder before there is a second
		callers = append(callers, c)
	}
	return callers, goOn
}

func TestTheOthersSucceedWhenTheFirstOfFourCallersDies(t *testing.T) {
	for _, how := range []struct {
		name   string
		signal syscall.Signal
		code   int
	}{{"by kill -9", syscall.SIGKILL, -1}, {"by INT", syscall.SIGINT, 130}} {
		t.Run(how.name, func(t *testing.T) {
			tr := watch(t, harness.ColdStore(t))
			callers, goOn := fourCallers(t, tr)
			callers[0].signal(how.signal)
			if code := callers[0].code(); code != how.code {
				t.Errorf("the first caller: status %d, want %d", code, how.code)
			}
			goOn()
			for i, want := range []string{"same\n", "other\n", "third\n"} {
				c := callers[i+1]
				if code := c.code(); code != 0 || c.out.String() != want {
					t.Errorf("caller %d: status %d, stdout %q\n%s", i+1, code, c.out.String(), c.errs.String())
				}
			}
			tr.mustGo(time.Now(), "after the last caller")
			mustHaveNoBundles(t, tr.store)
		})
	}
}

func TestNothingIsLeftWhenAllOfFourCallersAreKilled(t *testing.T) {
	tr := watch(t, harness.ColdStore(t))
	callers, _ := fourCallers(t, tr)
	tr.noteBuilder()
	killed := time.Now()
	for _, c := range callers {
		c.kill()
	}
	t.Logf("cleared up after %s", tr.mustGo(killed, "four kills").Round(time.Millisecond))
	root := harness.Project(t, "next", nil)
	harness.Command{Dir: root, Store: tr.store, Args: []string{"-p", "tiny", "true"}}.Must(t)
	tr.mustBeSwept()
	mustHaveNoBundles(t, tr.store)
}
