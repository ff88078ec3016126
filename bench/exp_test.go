package bench

import (
	"os"
	"os/exec"
	"testing"

	"caisson/test/harness"
)

func withEnv(c contender, name string, kv ...string) contender {
	p := c.prepare
	return contender{c.name + " " + name, func(t testing.TB) *exec.Cmd {
		cmd := p(t)
		if cmd.Env == nil {
			cmd.Env = os.Environ()
		}
		cmd.Env = append(cmd.Env, kv...)
		return cmd
	}}
}

func TestExp(t *testing.T) {
	store, project := harness.Store(t), benchProject(t)
	c := command(store, project, "-p", "tiny", "true")
	c.Must(t)
	b := bare(t, command(store, project), "tiny")
	cs := []contender{caisson(c), b,
		withEnv(b, "gcoff", "GOGC=off"), withEnv(b, "p1", "GOMAXPROCS=1"), withEnv(b, "gcoff,p1", "GOGC=off", "GOMAXPROCS=1"),
		withEnv(caisson(c), "gcoff", "GOGC=off"), withEnv(caisson(c), "p1", "GOMAXPROCS=1"), withEnv(caisson(c), "gcoff,p1", "GOGC=off", "GOMAXPROCS=1"),
	}
	s := interleave(t, 20, cs...)
	for i := range cs {
		t.Logf("%-24s %s", cs[i].name, compare(s[i], s[1]))
	}
}
