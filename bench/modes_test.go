package bench

import (
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

// Limits of the promises.
const (
	rootlessLimit = 1.9  // of a bare `runc run` by root, a cached run of an ordinary user
	networkLimit  = 0.15 // of a bare `runc run`, what a private network adds to a run that stays offline
)

func TestAnOrdinaryUserAndAPrivateNetworkCostLittle(t *testing.T) {
	store, project := harness.Store(t), benchProject(t)
	run := func(network string) harness.Command {
		return command(store, project, "-p", "tiny", "--network", network, "true")
	}
	run("private").Must(t) // makes the image
	user := testersRun(t)
	user.Must(t)
	s := interleave(t, rounds(25, 9), bare(t, command(store, project), "tiny"), caisson(run("private")), caisson(run("host")), caisson(user))
	r := compare(s[3], s[0])
	row(t, "`caisson -p P true` of an ordinary user, tiny", "a bare `runc run` by root, same specification", r,
		"at most 1.9", r.median <= rootlessLimit*tolerance())
	added := make(series, len(s[0]))
	for i := range added {
		added[i] = s[1][i] - s[2][i]
	}
	r = compare(added, s[0])
	row(t, "what a private network adds to `caisson -p P true`, tiny", "a bare `runc run`", r,
		"at most 0.15", r.median <= networkLimit+(tolerance()-1)) // a difference of two runs is as noisy as both
	row(t, "`caisson -p P --network host true`, tiny", "`caisson -p P true`", compare(s[2], s[1]), noLimit, true)
}

// testersRun is a run of an ordinary user, with a store and a project of their own.
func testersRun(t testing.TB) harness.Command {
	t.Helper()
	project := benchProject(t)
	harness.Give(t, harness.Tester, filepath.Dir(project))
	c := command(filepath.Join(harness.TesterHome(), "bench"), project)
	c.As = harness.Tester
	add := c
	add.Args = []string{"base", "add", harness.Tiny, harness.TinyRoot(t)}
	add.Must(t)
	c.Args = []string{"-p", "tiny", "true"}
	return c
}
