package emulator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Names under which the test binary is one of its own helpers, and the variable with the helper's task.
const (
	insideName = "emulator-test-inside" // runs a command in a user namespace with emulators
	userName   = "emulator-test-user"   // an ordinary user who does that
	holdName   = "emulator-test-hold"   // calls Serve
	taskName   = "EMULATOR_TEST_TASK"
)

func TestMain(m *testing.M) {
	var err error
	switch task := readTask(); os.Args[0] {
	case insideName:
		err = task.inside()
	case userName:
		err = task.command().Run()
	case holdName:
		err = Serve(table, task.Emulators, os.NewFile(3, "ready"))
	default:
		code := m.Run()
		if built.dir != "" {
			os.RemoveAll(built.dir)
		}
		os.Exit(code)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// table is where helpers mount the table of their namespace.
const table = "/proc/sys/fs/binfmt_misc"

// task is a command in a new user namespace.
type task struct {
	Emulators []Emulator
	Path      string
	Argv      []string
	Env       []string
	UID       uint32 // of the command, in the namespace
	All       bool   // the namespace has the identity map; else root alone is there
}

func readTask() task {
	var t task
	_ = json.Unmarshal([]byte(os.Getenv(taskName)), &t)
	return t
}

// command starts a helper in the namespaces. Its output comes together on standard output.
func (t task) command() *exec.Cmd {
	c := t.helper(insideName)
	c.SysProcAttr = t.namespaces()
	return c
}

func (t task) helper(name string) *exec.Cmd {
	data, _ := json.Marshal(t)
	c := exec.Command("/proc/self/exe")
	c.Args, c.Dir, c.Stdout, c.Stderr = []string{name}, "/", os.Stdout, os.Stdout
	c.Env = []string{taskName + "=" + string(data)}
	return c
}

func (t task) namespaces() *syscall.SysProcAttr {
	ids := func(own int) []syscall.SysProcIDMap {
		if t.All {
			return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1<<32 - 1}}
		}
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: own, Size: 1}}
	}
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
		UidMappings: ids(os.Geteuid()), GidMappings: ids(os.Getegid()), GidMappingsEnableSetgroups: t.All,
	}
}

func (t task) inside() error {
	if err := Register(table, t.Emulators); err != nil {
		return err
	}
	c := exec.Command(t.Path)
	c.Args, c.Env, c.Stdout, c.Stderr = t.Argv, t.Env, os.Stdout, os.Stdout
	if t.UID != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: t.UID, Gid: t.UID, Groups: []uint32{}}}
	}
	return c.Run()
}

// run returns the output of the command. user says that an ordinary user starts it all.
func (t task) run(user bool) (string, error) {
	c := t.command()
	if user {
		c = t.helper(userName)
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, Groups: []uint32{}}}
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}

// hold starts a process that serves emulators, and ends it with the test.
func hold(t *testing.T, es ...Emulator) (pid int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	task := task{Emulators: es, All: true}
	c := task.helper(holdName)
	c.SysProcAttr, c.ExtraFiles = task.namespaces(), []*os.File{w}
	// The death signal comes from the thread that starts it, which may end before the test does.
	c.SysProcAttr.Pdeathsig = 0
	err = c.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if said, err := io.ReadAll(bufio.NewReader(r)); err != nil || string(said) != Ready {
		t.Fatalf("the holder said %q, %v", said, err)
	}
	return c.Process.Pid
}

// built is the foreign program, made once for all tests.
var built struct {
	once sync.Once
	dir  string
	err  error
}

const programText = `package main

import (
	"fmt"
	"os"
	"runtime"
)

func main() {
	fmt.Printf("%s %q euid %d, WORD is %q\n", runtime.GOARCH, os.Args, os.Geteuid(), os.Getenv("WORD"))
}
`

// program returns a program of the foreign architecture that says what it sees; everyone may run it.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() { built.dir, built.err = build() })
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "program")
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "emulator-test-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return dir, err
	}
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(programText), 0o644); err != nil {
		return dir, err
	}
	c := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "program"), source)
	c.Env = append(os.Environ(), "GOARCH="+foreign(), "GOARM=7", "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("build a program of %s: %w\n%s", foreign(), err, out)
	}
	return dir, os.Chmod(filepath.Join(dir, "program"), 0o755)
}

// hostState is what the host shows of emulators, and what it says to the foreign program.
func hostState(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var state strings.Builder
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "binfmt_misc") {
			state.WriteString(line)
		}
	}
	entries, err := os.ReadDir(table)
	fmt.Fprintln(&state, entries, err)
	out, err := exec.Command(program(t)).CombinedOutput()
	fmt.Fprintf(&state, "%s%v", out, err)
	return state.String()
}
