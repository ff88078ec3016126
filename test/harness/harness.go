// Package harness is what the tests of the whole program share: the built binary, who starts it, stores with bases in
// them, projects, and commands with a time limit. The tests need root, whoever starts the program; they fail without it.
package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Limit is the longest that one command of a test may take.
const Limit = 10 * time.Minute

// Root of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// binary is the built program: $CAISSON_BIN, else bin/caisson.
func binary() string {
	if bin := os.Getenv("CAISSON_BIN"); bin != "" {
		return bin
	}
	return filepath.Join(Root(), "bin", "caisson")
}

var errNotRoot = errors.New("this test needs root: it looks at other processes and makes mounts")

// Caisson is the path at which the built program is started.
func Caisson(t testing.TB) string {
	t.Helper()
	bin := binary()
	if Rootless() {
		if bin = reachable(); os.Getenv(insideVariable) == "" {
			t.Fatalf("%s=user in a test package whose TestMain does not call harness.Main", modeVariable)
		}
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("the program under test is missing: %v (run `make`)", err)
	}
	if os.Geteuid() != 0 {
		t.Fatal(errNotRoot)
	}
	return bin
}

// Result of a command.
type Result struct {
	Stdout, Stderr string
	Code           int // -1 when it was killed by a signal
	Took           time.Duration
}

// Command is a caisson command line.
type Command struct {
	As    User   // who starts it; Runner where nobody is named
	Dir   string // working folder
	Store string
	Env   []string // added to the environment
	Stdin string
	Args  []string
}

// Cmd prepares an exec.Cmd, for tests that send signals or look at it while it runs; its SysProcAttr is there to be added
// to. Its environment is the caller's without what would change caisson's behaviour.
func (c Command) Cmd(ctx context.Context, t testing.TB) *exec.Cmd {
	t.Helper()
	who := c.As
	if who.Name == "" {
		who = Runner()
	}
	program := Caisson(t)
	if who != Superuser {
		program = reachable()
	}
	cmd := exec.CommandContext(ctx, program, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(environment(who), "CAISSON_STORE="+c.Store, "CCACHE_DIR="+filepath.Join(kept(), "ccache"))
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if who != Superuser {
		// Without supplementary groups.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(who.UID), Gid: uint32(who.GID)}
		if c.Dir == "" {
			cmd.Dir = "/"
		}
	}
	if c.Stdin != "" {
		cmd.Stdin = strings.NewReader(c.Stdin)
	}
	return cmd
}

func environment(who User) (env []string) {
	mine := map[string]bool{
		"CAISSON_STORE": true, "CCACHE_DIR": true, "CCACHE_MAXSIZE": true, "SUDO_UID": true, "SUDO_GID": true, "SUDO_USER": true,
		"DOCKER_STOP_TIMEOUT": true, modeVariable: true, insideVariable: true,
	}
	if who != Superuser {
		for _, name := range []string{"HOME", "USER", "LOGNAME", "MAIL"} {
			mine[name] = true
		}
		env = []string{"HOME=" + TesterHome(), "USER=" + who.Name, "LOGNAME=" + who.Name}
	}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !mine[name] && (who == Superuser || !strings.HasPrefix(name, "XDG_")) {
			env = append(env, kv)
		}
	}
	return env
}

// Run runs the command to its end.
func (c Command) Run(t testing.TB) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Limit)
	defer cancel()
	cmd := c.Cmd(ctx, t)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	start := time.Now()
	err := cmd.Run()
	r := Result{Stdout: out.String(), Stderr: errs.String(), Took: time.Since(start)}
	var ee *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("caisson %q did not end within %s\n%s", c.Args, Limit, r.Stderr)
	case errors.As(err, &ee):
		r.Code = ee.ExitCode()
	case err != nil:
		t.Fatalf("start caisson: %v", err)
	}
	return r
}

// Must is Run for a command that has to succeed.
func (c Command) Must(t testing.TB) Result {
	t.Helper()
	r := c.Run(t)
	if r.Code != 0 {
		t.Fatalf("caisson %q: status %d\nstdout: %s\nstderr: %s", c.Args, r.Code, r.Stdout, r.Stderr)
	}
	return r
}

// Processes returns the pids of all processes whose environment has this NAME=VALUE: give it to a caisson command by
// Command.Env, and everything that it started is found, whatever it is called. Zombies have no environment.
func Processes(t testing.TB, variable string) []string {
	t.Helper()
	es, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var pids []string
	for _, e := range es {
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err == nil && bytes.Contains(append([]byte{0}, env...), []byte("\x00"+variable+"\x00")) {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// Eventually waits until what is checked holds, at most for d; it returns whether it did.
func Eventually(d time.Duration, check func() bool) bool {
	for deadline := time.Now().Add(d); ; time.Sleep(10 * time.Millisecond) {
		if check() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// Signal sends a signal to a command that runs.
func Signal(t testing.TB, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signal %s: %v", sig, err)
	}
}
