package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Options says what to start.
type Options struct {
	Task string // registered name
	Body any    // given to the task as JSON
	// Files are handed to the supervisor, in this order. The caller keeps its own copies and closes them.
	Files []*os.File
	// Output gets what the supervisor and its children print on standard output and standard error; nil discards it.
	Output *os.File
	// Detached sandboxes outlive the process that started them.
	Detached bool
}

// Sandbox is a started supervisor.
type Sandbox struct {
	proc     *os.Process
	lifeline *os.File // write end of the request pipe; nil when detached
}

// Start clones a supervisor and gives it its task. It returns as soon as the request is handed over.
func Start(o Options) (*Sandbox, error) {
	body, err := json.Marshal(o.Body)
	if err != nil {
		return nil, fmt.Errorf("encode sandbox task %s: %w", o.Task, err)
	}
	req, err := json.Marshal(request{Task: o.Task, Body: body, Files: len(o.Files), Detached: o.Detached})
	if err != nil {
		return nil, fmt.Errorf("encode sandbox request: %w", err)
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make sandbox pipe: %w", err)
	}
	defer pr.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		pw.Close()
		return nil, err
	}
	defer null.Close()
	out := o.Output
	if out == nil {
		out = null
	}
	attr := &os.ProcAttr{
		Dir:   "/",
		Env:   os.Environ(),
		Files: append([]*os.File{null, out, out, pr}, o.Files...),
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Setsid: true},
	}
	if !o.Detached {
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	proc, err := starter().start("/proc/self/exe", []string{supervisorName}, attr)
	if err != nil {
		pw.Close()
		return nil, startError(err)
	}
	s := &Sandbox{proc: proc, lifeline: pw}
	// A request may be larger than the pipe; the supervisor reads while we write.
	if _, err := pw.Write(frame(req)); err != nil {
		pw.Close()
		_ = proc.Kill()
		_, _ = proc.Wait()
		return nil, fmt.Errorf("hand over sandbox request: %w", err)
	}
	if o.Detached {
		pw.Close()
		s.lifeline = nil
	}
	return s, nil
}

func startError(err error) error {
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("start sandbox: %w (new PID and mount namespaces need root or CAP_SYS_ADMIN)", err)
	}
	return fmt.Errorf("start sandbox: %w", err)
}

// Wait waits for the supervisor's end and returns its exit status, 128+N when it died by signal N.
func (s *Sandbox) Wait() (int, error) {
	st, err := s.proc.Wait()
	runtime.KeepAlive(s.lifeline)
	if s.lifeline != nil {
		s.lifeline.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("wait for sandbox: %w", err)
	}
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return st.ExitCode(), nil
}

// Pid of the supervisor, in the client's PID namespace.
func (s *Sandbox) Pid() int { return s.proc.Pid }

// Kill ends the sandbox and all that is in it at once.
func (s *Sandbox) Kill() { _ = s.proc.Kill() }

// StartBound starts a plain child of this process, outside of any sandbox, that the kernel kills when this process dies.
func StartBound(path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	if attr.Sys == nil {
		attr.Sys = &syscall.SysProcAttr{}
	}
	attr.Sys.Pdeathsig = syscall.SIGKILL
	return starter().start(path, argv, attr)
}

// threadStarter starts processes from one operating system thread that lives as long as this process: the kernel sends
// the death signal when the *thread* that cloned the child ends, not the process (prctl(2), PR_SET_PDEATHSIG).
type threadStarter struct{ jobs chan func() }

var starter = sync.OnceValue(func() *threadStarter {
	t := &threadStarter{jobs: make(chan func())} // never closed: it ends with the process
	go func() {
		runtime.LockOSThread()
		for f := range t.jobs {
			f()
		}
	}()
	return t
})

func (t *threadStarter) start(path string, argv []string, attr *os.ProcAttr) (proc *os.Process, err error) {
	done := make(chan struct{})
	t.jobs <- func() {
		defer close(done)
		proc, err = os.StartProcess(path, argv, attr)
	}
	<-done
	return proc, err
}
