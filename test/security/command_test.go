package security

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"caisson/test/harness"
)

// through runs a command with other words in place of the program's name.
func through(t testing.TB, c harness.Command, words ...string) harness.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
	defer cancel()
	cmd := c.Cmd(ctx, t)
	cmd.Path, cmd.Args = words[0], append(words, cmd.Args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	r := harness.Result{Stdout: out.String(), Stderr: errs.String(), Took: time.Since(start)}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		r.Code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return r
}
