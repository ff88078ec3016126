package bench

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"caisson/test/harness"
)

// Limits of the promises.
const (
	startLimit      = 10 * time.Millisecond // of `caisson version`, or:
	startShare      = 0.15                  // of a bare `runc run`, whichever is larger
	runLimit        = 1.5                   // of a bare `runc run`, a cached run
	otherToolsLimit = 0.2                   // of `docker run` and `podman run`, a cached run
)

func command(store, project string, args ...string) harness.Command {
	return harness.Command{Store: store, Dir: project, Args: args, Env: []string{"CCACHE_DIR=" + cacheDir(project)}}
}

// caisson makes a contender of a caisson command line.
func caisson(c harness.Command) contender {
	return contender{name: "caisson", prepare: func(t testing.TB) *exec.Cmd { return c.Cmd(context.Background(), t) }}
}

func TestCaissonStartsAtOnce(t *testing.T) {
	store, project := harness.Store(t), benchProject(t)
	runc := bare(t, command(store, project), "tiny")
	s := interleave(t, rounds(25, 9), caisson(command(store, project, "version")), runc)
	r := compare(s[0], s[1])
	limit := max(startLimit, time.Duration(startShare*float64(r.theirs)))
	row(t, "`caisson version`", "a bare `runc run true`", r, "at most "+ms(limit),
		float64(r.ours) <= float64(limit)*tolerance())
}

func TestACachedRunCostsLittleMoreThanABareRunc(t *testing.T) {
	for _, platform := range platforms {
		t.Run(platform, func(t *testing.T) {
			store, project := harness.Store(t), benchProject(t)
			c := command(store, project, "-p", platform, "true")
			c.Must(t) // makes the image
			s := interleave(t, rounds(25, 9), caisson(c), bare(t, command(store, project), platform))
			r := compare(s[0], s[1])
			row(t, "`caisson -p P true`, "+platform, "a bare `runc run`, same specification", r,
				"at most 1.5", r.median <= runLimit*tolerance())
		})
	}
}
