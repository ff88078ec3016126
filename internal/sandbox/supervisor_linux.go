package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// exitBroken is the status of a supervisor that could not do its task: caisson's own "the engine failed".
const exitBroken = 125

// Supervisor is the sandbox's own process, seen from a task.
type Supervisor struct {
	req   request
	files []*os.File
}

// Task runs inside the supervisor, in the new namespaces, with /proc mounted anew. Its result is the exit status.
type Task func(s *Supervisor) (int, error)

var tasks = map[string]Task{}

// Register names a task. It is called from init functions, so that both ends know the same tasks.
func Register(name string, t Task) { tasks[name] = t }

// Main turns this process into a supervisor when it was started as one, and then never returns. Call it first in main.
func Main() {
	if len(os.Args) == 0 || os.Args[0] != supervisorName {
		return
	}
	runtime.LockOSThread() // children get their death signal from this thread
	code, err := supervise()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if code == 0 {
			code = exitBroken
		}
	}
	os.Exit(code)
}

func supervise() (int, error) {
	unix.CloseOnExec(3)
	if slices.Contains(os.Args[1:], mapped) {
		if err := waitForMaps(); err != nil {
			return exitBroken, err
		}
	}
	if !slices.Contains(os.Args[1:], detached) {
		if err := dieWithClient(); err != nil {
			return exitBroken, err
		}
	}
	// A slave tree: nothing that is mounted here is seen outside, and what the host unmounts does not stay busy.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return exitBroken, fmt.Errorf("detach sandbox mounts: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return exitBroken, fmt.Errorf("mount /proc of the sandbox: %w%s", err, procHint(err))
	}
	s := &Supervisor{}
	b, err := readFrame(os.NewFile(3, "request"))
	if err != nil {
		return exitBroken, nil // the client has no task for it, or died
	}
	if err := json.Unmarshal(b, &s.req); err != nil {
		return exitBroken, fmt.Errorf("decode sandbox request: %w", err)
	}
	for i := range s.req.Files {
		unix.CloseOnExec(firstFile + i)
		s.files = append(s.files, os.NewFile(uintptr(firstFile+i), "handed over"))
	}
	task, ok := tasks[s.req.Task]
	if !ok {
		return exitBroken, fmt.Errorf("unknown sandbox task %q", s.req.Task)
	}
	return task(s)
}

// procHint: a container that masks parts of its own /proc must not show a whole one to those below it
// (mount_namespaces(7)).
func procHint(err error) string {
	if errors.Is(err, unix.EPERM) {
		return " (inside a container: give it --privileged, or --security-opt systempaths=unconfined)"
	}
	return ""
}

// waitForMaps waits until the ids of the user namespace are there, and becomes its root.
func waitForMaps() error {
	var b [1]byte
	for {
		n, err := unix.Read(3, b[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n != 1 || b[0] != mapsWritten {
			os.Exit(exitBroken) // the client could not map them, and says so, or died
		}
		return becomeRoot()
	}
}

// dieWithClient arms the death signal again (a change of credentials clears it) and watches the request pipe, which
// closes the race with a client that died before it was armed, and is the second line of defence.
func dieWithClient() error {
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("arm death signal: %w", err)
	}
	go func() {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: 3}}, -1) // no events: hang-up only
			if err == nil && n > 0 {
				os.Exit(128 + int(unix.SIGKILL))
			}
			if err != nil && !errors.Is(err, unix.EINTR) { // EINTR: the Go runtime's own signals
				os.Exit(exitBroken)
			}
		}
	}()
	return nil
}

// Body decodes what the client gave as Options.Body.
func (s *Supervisor) Body(into any) error {
	if err := json.Unmarshal(s.req.Body, into); err != nil {
		return fmt.Errorf("decode body of sandbox task %s: %w", s.req.Task, err)
	}
	return nil
}

// File returns the i-th file of Options.Files.
func (s *Supervisor) File(i int) *os.File { return s.files[i] }

// Run starts a child without input, reaps everything that is reparented to the supervisor meanwhile, and returns the
// child's exit status. Files become the child's descriptors 3 and up; its output is the supervisor's.
func (s *Supervisor) Run(path string, argv, env []string, files ...*os.File) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return exitBroken, err
	}
	return s.RunWith(path, argv, env, null, files...)
}

// RunWith is Run with a standard input for the child.
func (s *Supervisor) RunWith(path string, argv, env []string, stdin *os.File, files ...*os.File) (int, error) {
	p, err := os.StartProcess(path, argv, &os.ProcAttr{
		Env:   env,
		Files: append([]*os.File{stdin, os.Stdout, os.Stderr}, files...),
		Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	for _, f := range append(files, stdin) {
		f.Close() // the other ends must see the child's death
	}
	if err != nil {
		return exitBroken, fmt.Errorf("start %s: %w", argv[0], err)
	}
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return exitBroken, fmt.Errorf("wait for %s: %w", argv[0], err)
		case pid == p.Pid && ws.Signaled():
			return 128 + int(ws.Signal()), nil
		case pid == p.Pid && ws.Exited():
			return ws.ExitStatus(), nil
		}
	}
}

// KillRest ends whatever else is in the sandbox and waits for it: as PID 1 the supervisor reaches all of it.
func (s *Supervisor) KillRest() {
	_ = unix.Kill(-1, unix.SIGKILL)
	for {
		if _, err := syscall.Wait4(-1, nil, 0, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			return // ECHILD
		}
	}
}

// frame puts the length (32 bit, big endian) before a request; the pipe stays open, so its end cannot mark it.
func frame(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func readFrame(r io.Reader) ([]byte, error) {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(n[:]))
	_, err := io.ReadFull(r, b)
	return b, err
}
