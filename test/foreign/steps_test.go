package foreign

import (
	"context"
	"testing"
	"time"

	"caisson/test/harness"
)

// Programs that read a bad address: as process 1 of a step, as the only command of its shell, and as a child of it.
var crashes = map[string]string{
	"process 1":       `["perl", "-e", "unpack('p', pack('L', 64))"]`,
	"the shell's":     `perl -e "unpack('p', pack('L', 64))"`,
	"a shell's child": `perl -e "unpack('p', pack('L', 64))"; exit $?`,
}

func TestAnEmulatedStepThatDiesByASignalFails(t *testing.T) {
	for what, step := range crashes {
		t.Run(what, func(t *testing.T) {
			tr := newTree(t, "crash", map[string]string{"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN " + step + "\n"})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var out harness.Buffer
			cmd := tr.Command("-p", "armv7", "-b").Cmd(ctx, t)
			cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 5*time.Second
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 125 {
				t.Errorf("status %d (%v), want 125", code, ctx.Err())
			}
			contains(t, out.String(), "exit code: 139")
		})
	}
}
