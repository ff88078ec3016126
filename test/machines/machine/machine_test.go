package machine

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"caisson/test/machines/agent"
)

// short is how long a command of these tests may take.
const short = time.Minute

// answered are calls that an agent in this process answers.
func answered(t *testing.T) *calls {
	t.Helper()
	mine, its := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- agent.Serve(its) }()
	c := newCalls(mine)
	t.Cleanup(func() {
		c.close()
		if err := <-served; err != nil {
			t.Errorf("the agent: %v", err)
		}
	})
	return c
}

func TestAnAgentTellsWhatACommandPrintsAndHowItEnds(t *testing.T) {
	c := answered(t)
	for name, want := range map[string]struct {
		command        Command
		stdout, stderr string
		code           int
	}{
		"both streams and the status": {Shell("echo out; echo err >&2; exit 42"), "out\n", "err\n", 42},
		"input":                       {Command{Args: []string{"cat"}, Stdin: []byte("given")}, "given", "", 0},
		"input that nobody reads":     {Command{Args: []string{"true"}, Stdin: make([]byte, 1<<20)}, "", "", 0},
		"another user":                {Command{Args: []string{"sh", "-c", "id -u; id -g"}, UID: 12, GID: 34}, "12\n34\n", "", 0},
		"a variable and a folder":     {Command{Args: []string{"sh", "-c", "echo $A; pwd"}, Env: []string{"A=b"}, Dir: "/usr"}, "b\n/usr\n", "", 0},
		"a signal":                    {Shell("kill -KILL $$"), "", "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := c.run(want.command, short)
			if err != nil {
				t.Fatal(err)
			}
			if r.Stdout != want.stdout || r.Stderr != want.stderr || r.Code != want.code {
				t.Errorf("%q, %q, status %d", r.Stdout, r.Stderr, r.Code)
			}
		})
	}
}

func TestAnAgentSaysWhyACommandCannotStart(t *testing.T) {
	c := answered(t)
	for want, command := range map[string]Command{
		"not found":           {Args: []string{"no-such-program"}},
		"open the cgroup":     {Args: []string{"true"}, Cgroup: "/no/such/cgroup"},
		"no such file":        {Args: []string{"true"}, Dir: "/no/such/folder"},
		"without words":       {},
		"did not end within ": Shell("sleep 0.3"),
	} {
		limit := short
		if want == "did not end within " {
			limit = 10 * time.Millisecond
		}
		if _, err := c.run(command, limit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", command.Args, err, want)
		}
	}
}

func TestCommandsRunSideBySide(t *testing.T) {
	c := answered(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if _, err := c.run(Command{Args: []string{"mkfifo", fifo}}, short); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for _, script := range []string{"echo met >" + fifo, "cat " + fifo} { // neither ends without the other
		both.Go(func() {
			if r, err := c.run(Shell(script), short); err != nil || r.Code != 0 {
				t.Errorf("%s: %+v, %v", script, r, err)
			}
		})
	}
	both.Wait()
}

func TestACommandEndsWithAnErrorWhenTheMachineIsGone(t *testing.T) {
	mine, its := net.Pipe()
	c := newCalls(mine)
	defer c.close()
	go func() {
		_, _ = io.ReadFull(its, make([]byte, 16)) // the request has begun
		its.Close()
	}()
	if _, err := c.run(Shell("true"), short); err == nil {
		t.Error("no error")
	}
	c.reader.Wait()
	if _, err := c.run(Shell("true"), short); !errors.Is(err, c.lost) {
		t.Errorf("after it: %v", err)
	}
}

func TestTheArchiveHoldsAnExecutableFile(t *testing.T) {
	for _, content := range []string{"", "a", "four", strings.Repeat("long", 1000) + "."} {
		dir := t.TempDir()
		unpack := exec.Command("busybox", "cpio", "-i")
		unpack.Dir = dir
		unpack.Stdin = strings.NewReader(string(archive("init", []byte(content))))
		if out, err := unpack.CombinedOutput(); err != nil {
			t.Fatalf("busybox cpio: %v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "init"))
		if err != nil || string(got) != content {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
		}
		if info, err := os.Stat(filepath.Join(dir, "init")); err != nil || info.Mode() != 0o755 {
			t.Errorf("%v, %v", info, err)
		}
	}
}
