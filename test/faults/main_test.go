// Package faults kills, fills, damages and forges: it tests what has to hold when something goes wrong. The short form
// does a fifth of the kills; CAISSON_FAULTS=full does them all.
package faults

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// full says whether all is done, or a fifth of it.
func full() bool { return harness.Full() }

// times is how often something random is tried: n in the full form.
func times(n int) int {
	if full() {
		return n
	}
	return n / 5
}

// some of the cases of a table: all in the full form, else the first ones.
func some[T any](cases []T) []T {
	if full() {
		return cases
	}
	return cases[:(len(cases)+4)/5]
}

// client is a caisson that runs beside the test.
type client struct {
	t    testing.TB
	cmd  *exec.Cmd
	out  harness.Buffer
	errs harness.Buffer
	gone chan struct{} // closed when it has ended
}

// start starts a caisson and makes sure that it does not outlive the test.
func start(t testing.TB, c harness.Command) *client {
	t.Helper()
	cl := &client{t: t, gone: make(chan struct{}), cmd: c.Cmd(context.Background(), t)}
	cl.cmd.Stdout, cl.cmd.Stderr = &cl.out, &cl.errs
	cl.cmd.WaitDelay = 5 * time.Second
	if err := cl.cmd.Start(); err != nil {
		t.Fatalf("start caisson: %v", err)
	}
	go func() {
		defer close(cl.gone)
		_ = cl.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cl.cmd.Process.Kill()
		<-cl.gone
	})
	return cl
}

// kill is kill -9.
func (c *client) kill() { c.signal(syscall.SIGKILL) }

func (c *client) signal(s syscall.Signal) {
	c.t.Helper()
	harness.Signal(c.t, c.cmd, s)
}

// code waits for the end and returns the exit status, -1 for a killed client.
func (c *client) code() int {
	c.t.Helper()
	select {
	case <-c.gone:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(2 * time.Minute):
		c.t.Fatalf("caisson %q did not end\n%s", c.cmd.Args, c.errs.String())
		return 0
	}
}

// says waits until the client has printed a text on standard error.
func (c *client) says(text string) {
	c.t.Helper()
	if !harness.Eventually(time.Minute, func() bool { return strings.Contains(c.errs.String(), text) || c.ended() }) {
		c.t.Fatalf("no %q within a minute:\n%s", text, c.errs.String())
	}
	if !strings.Contains(c.errs.String(), text) {
		c.t.Fatalf("ended without %q:\n%s", text, c.errs.String())
	}
}

func (c *client) ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}
