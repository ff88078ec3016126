package lifeline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
)

// The stage is what a container is to its init: a PID namespace and a root file system of its own. It is the test
// binary, started again, which prepares both and then becomes the init.
const (
	stageEnv = "CAISSON_TEST_STAGE" // scratch folder of the stage
	setupEnv = "CAISSON_TEST_SETUP" // shell script that changes the root file system first
	initEnv  = "CAISSON_TEST_INIT"  // folder of the init

	stageFileLimit = 333 // RLIMIT_NOFILE of the stage, soft
)

var initFolder string

func TestMain(m *testing.M) {
	if os.Getenv(stageEnv) != "" {
		fmt.Fprintln(os.Stderr, "stage:", stage())
		os.Exit(1)
	}
	folder, err := os.MkdirTemp("", "caisson-init")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	initFolder = folder
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", folder+"/caisson-init", "caisson/cmd/caisson-init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	status := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build caisson-init: %v\n%s", err, out)
	} else {
		status = m.Run()
	}
	os.RemoveAll(folder)
	os.Exit(status)
}

// stage returns only with an error. The root file system is the machine's own under an overlay that lies in memory.
func stage() error {
	scratch := os.Getenv(stageEnv)
	root := scratch + "/root"
	steps := []func() error{
		func() error { return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "") },
		func() error { return syscall.Mount("tmpfs", scratch, "tmpfs", 0, "") },
		func() error { return os.Chdir(scratch) }, // its name may hold what divides mount options
		func() error { return mkdirs("root", "upper", "work") },
		func() error {
			return syscall.Mount("overlay", "root", "overlay", 0, "lowerdir=/,upperdir=upper,workdir=work")
		},
		func() error { return mkdirs(root+"/proc", root+"/dev", root+"/init") },
		func() error { return syscall.Mount("proc", root+"/proc", "proc", 0, "") },
		func() error { return syscall.Mount("/dev", root+"/dev", "", syscall.MS_BIND, "") },
		func() error {
			return syscall.Mount("devpts", root+"/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
		},
		func() error { return syscall.Mount(os.Getenv(initEnv), root+"/init", "", syscall.MS_BIND, "") },
		func() error { return syscall.Chroot(root) },
		func() error { return os.Chdir("/") },
		func() error {
			if os.Getenv(setupEnv) == "" {
				return nil
			}
			setup := exec.Command("/bin/sh", "-ec", os.Getenv(setupEnv))
			setup.Stdout, setup.Stderr = os.Stderr, os.Stderr
			return setup.Run()
		},
		func() error {
			limit := syscall.Rlimit{Cur: stageFileLimit, Max: 4096}
			return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
		},
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	// What a careless caller may pass on, and the command must not inherit.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT)
	if _, err := syscall.Open("/", syscall.O_RDONLY, 0); err != nil { // stays open in the init
		return err
	}
	return syscall.Exec("/init/caisson-init", []string{"caisson-init"}, nil)
}

func mkdirs(paths ...string) error {
	for _, p := range paths {
		if err := os.MkdirAll(p, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// container is one running stage.
type container struct {
	*lifeline.Conn
	init  *os.Process // PID 1, first as the stage
	out   *capture
	errs  *capture // standard error of the command; empty with a terminal
	gone  chan struct{}
	stage bytes.Buffer // what the stage and the init themselves say
	code  int          // exit status of PID 1, once gone is closed
}

// open starts an init in a stage. The kernel lets its parent wait for PID 1 only when all of the namespace is dead, so
// gone means that nothing is left.
func open(t testing.TB, setup string) *container {
	t.Helper()
	conn, peer, err := lifeline.NewPair()
	if err != nil {
		t.Fatal(err)
	}
	c := &container{Conn: conn, out: newCapture(), errs: newCapture(), gone: make(chan struct{})}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), stageEnv+"="+t.TempDir(), setupEnv+"="+setup, initEnv+"="+initFolder)
	cmd.ExtraFiles = []*os.File{peer}
	cmd.Stderr = &c.stage
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
	err = cmd.Start()
	peer.Close()
	if err != nil {
		t.Fatalf("make PID and mount namespaces (this test needs root): %v", err)
	}
	c.init = cmd.Process
	go func() {
		defer close(c.gone)
		cmd.Wait()
		c.code = cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-c.gone
		if t.Failed() && c.stage.Len() > 0 {
			t.Logf("the stage said:\n%s", c.stage.String())
		}
	})
	return c
}

// launch opens a container and starts a command in it, with the given standard input (nil is empty).
func launch(t testing.TB, setup string, req lifeline.Request, stdin *os.File) *container {
	t.Helper()
	c := open(t, setup)
	if req.Env == nil {
		req.Env = []string{"PATH=" + os.Getenv("PATH")}
	}
	if req.TTY {
		if err := c.Start(req, nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if stdin == nil {
		empty, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer empty.Close()
		stdin = empty
	}
	stdout, stderr := c.out.pipe(t), c.errs.pipe(t)
	defer stdout.Close()
	defer stderr.Close()
	if err := c.Start(req, stdin, stdout, stderr); err != nil {
		t.Fatal(err)
	}
	return c
}

// started waits for the start; with a terminal its output is captured and the master side returned.
func (c *container) started(t testing.TB) *os.File {
	t.Helper()
	master, err := c.Started(context.Background())
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	if master != nil {
		go c.out.copy(master)
		t.Cleanup(func() { master.Close() })
	} else {
		t.Cleanup(func() { <-c.out.eof })
	}
	return master
}

// exit waits for the end of the command, of PID 1 and of the output.
func (c *container) exit(t testing.TB) engine.ExitStatus {
	t.Helper()
	status, err := c.Exit()
	if err != nil {
		t.Fatalf("exit: %v", err)
	}
	<-c.gone
	<-c.out.eof
	if c.code != status.Code {
		t.Errorf("PID 1 ended with %d, the command with %d", c.code, status.Code)
	}
	return status
}

// run is the whole life of one command.
func run(t testing.TB, setup string, req lifeline.Request) (string, engine.ExitStatus) {
	t.Helper()
	c := launch(t, setup, req, nil)
	c.started(t)
	status := c.exit(t)
	if s := c.errs.String(); s != "" {
		t.Logf("standard error: %s", s)
	}
	return strings.TrimRight(strings.ReplaceAll(c.out.String(), "\r\n", "\n"), "\n"), status
}

func shell(script string) lifeline.Request {
	return lifeline.Request{Args: []string{"/bin/sh", "-c", script}, Grace: 10 * time.Second}
}

// capture collects output and lets a test wait for words in it.
type capture struct {
	mu   sync.Mutex
	more *sync.Cond
	buf  bytes.Buffer
	done bool
	eof  chan struct{}
}

func newCapture() *capture {
	c := &capture{eof: make(chan struct{})}
	c.more = sync.NewCond(&c.mu)
	return c
}

func (c *capture) pipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go c.copy(r)
	return w
}

// copy reads to the end; at a terminal that is an error, EIO.
func (c *capture) copy(r *os.File) {
	defer r.Close()
	chunk := make([]byte, 32<<10)
	for {
		n, err := r.Read(chunk)
		c.mu.Lock()
		c.buf.Write(chunk[:n])
		c.done = err != nil
		c.more.Broadcast()
		c.mu.Unlock()
		if err != nil {
			close(c.eof)
			return
		}
	}
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// await returns when the words are there, and fails when the output ends without them.
func (c *capture) await(t testing.TB, words string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !strings.Contains(c.buf.String(), words) {
		if c.done {
			t.Fatalf("the output ended without %q: %q", words, c.buf.String())
		}
		c.more.Wait()
	}
}

func asStartError(t testing.TB, err error) *engine.StartError {
	t.Helper()
	var e *engine.StartError
	if !errors.As(err, &e) {
		t.Fatalf("error is %v, not a *engine.StartError", err)
	}
	return e
}
