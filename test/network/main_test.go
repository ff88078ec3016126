// Package network tests the private network of runs and of image builds from outside: the whole program, on this machine's
// own network. Installing packages needs the Debian mirror, finding names a name server; all other servers are the tests' own.
package network

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// client is a caisson that runs beside the test. All that it starts has its mark in the environment, also in a run.
type client struct {
	t    testing.TB
	cmd  *exec.Cmd
	mark string // NAME=VALUE
	out  harness.Buffer
	errs harness.Buffer
	gone chan struct{} // closed when it has ended
}

// start starts a run on the platform tiny, with these flags, and makes sure that it does not outlive the test.
func start(t testing.TB, tr harness.Tree, flags []string, command ...string) *client {
	t.Helper()
	return startCommand(t, tr, append(append([]string{"-p", "tiny", "-e", "CAISSON_MARK", "--output", "plain"}, flags...), command...)...)
}

func startCommand(t testing.TB, tr harness.Tree, args ...string) *client {
	t.Helper()
	c := &client{t: t, mark: fmt.Sprintf("CAISSON_MARK=%x", rand.Uint64()), gone: make(chan struct{})}
	c.cmd = tr.With(c.mark).Command(args...).Cmd(context.Background(), t)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.errs
	c.cmd.WaitDelay = 5 * time.Second
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start caisson: %v", err)
	}
	go func() {
		defer close(c.gone)
		_ = c.cmd.Wait() // code tells
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has ended, if all went well
		<-c.gone
	})
	return c
}

// prints waits until the run has printed a text.
func (c *client) prints(text string) {
	c.t.Helper()
	said := func() bool { return strings.Contains(c.out.String(), text) }
	if !harness.Eventually(time.Minute, func() bool { return said() || c.ended() }) || !said() {
		c.t.Fatalf("no %q:\n%s\n%s", text, c.out.String(), c.errs.String())
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

// kill is kill -9; it returns when the client is dead.
func (c *client) kill() {
	c.t.Helper()
	harness.Signal(c.t, c.cmd, syscall.SIGKILL)
	<-c.gone
}

var noted = regexp.MustCompile(`(?m)^caisson: tiny: published (\S+):(\d+)$`)

// published waits for the note of a port that was asked for as 0 and returns the address that leads to this port of the
// container.
func (c *client) published(containerPort int) string {
	c.t.Helper()
	var at string
	harness.Eventually(time.Minute, func() bool {
		for _, m := range noted.FindAllStringSubmatch(c.errs.String(), -1) {
			if m[2] == fmt.Sprint(containerPort) {
				at = m[1]
			}
		}
		return at != "" || c.ended()
	})
	if at == "" {
		c.t.Fatalf("no note of the port that leads to %d:\n%s", containerPort, c.errs.String())
	}
	return at
}

// stacks are the processes of the client's user-mode network stack.
func (c *client) stacks() (pids []string) {
	c.t.Helper()
	for _, pid := range harness.Processes(c.t, c.mark) {
		cmdline, _ := os.ReadFile("/proc/" + pid + "/cmdline") // it may have ended
		if string(cmdline) == "caisson-engine\x00network\x00" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// get asks an HTTP server, by a connection of its own.
func get(url string) (string, error) {
	c := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, r.Status)
	}
	return string(b), err
}

// mustGet is get for a server that answers.
func mustGet(t testing.TB, url string) string {
	t.Helper()
	text, err := get(url)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// until is a shell command that waits for a file of the build folder.
func until(name string) string {
	return "while ! [ -e /work/build/" + name + " ]; do sleep 0.05; done"
}

// serve is a shell command that serves a folder on a port, waits until it does, and fails where it cannot.
func serve(dir string, port int) string {
	return fmt.Sprintf("httpd -p %d -h %s && until nc -w 5 127.0.0.1 %d </dev/null 2>/dev/null; do sleep 0.02; done", port, dir, port)
}

func equal(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func contains(t testing.TB, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}
