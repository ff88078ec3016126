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

// Options of a sandbox.
type Options struct {
	// Files are handed to the supervisor, in this order. The caller keeps its own copies and closes them.
	Files []*os.File
	// Output gets what the supervisor and its children print on standard output and standard error; nil discards it.
	Output *os.File
	// Detached sandboxes outlive the process that started them.
	Detached bool
	// Users gives the sandbox a user namespace of its own; nil is none.
	Users *Users
	// Network gives the sandbox a network namespace of its own, with nothing in it.
	Network bool
}

// Sandbox is a started supervisor.
type Sandbox struct {
	proc     *os.Process
	pipe     *os.File // write end of the request pipe
	files    int
	detached bool
}

// Start clones a supervisor and gives it its task, a registered name with a body that travels as JSON.
func Start(o Options, task string, body any) (*Sandbox, error) {
	s, err := Clone(o)
	if err != nil {
		return nil, err
	}
	if err := s.Give(task, body); err != nil {
		s.Kill()
		_, _ = s.Wait()
		return nil, err
	}
	return s, nil
}

// Clone starts a supervisor, which sets up its namespaces and waits for its task.
func Clone(o Options) (*Sandbox, error) {
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
	argv := []string{supervisorName, detached}
	if !o.Detached {
		argv[1] = bound
		attr.Sys.Pdeathsig = syscall.SIGKILL
	}
	if o.Network {
		attr.Sys.Cloneflags |= unix.CLONE_NEWNET
	}
	if o.Users != nil {
		o.Users.attributes(attr.Sys)
		argv = append(argv, mapped)
	}
	proc, err := starter().start("/proc/self/exe", argv, attr)
	if err != nil {
		pw.Close()
		return nil, startError(err, o)
	}
	s := &Sandbox{proc: proc, pipe: pw, files: len(o.Files), detached: o.Detached}
	if o.Users != nil {
		if err := s.enterUsers(o.Users); err != nil {
			s.Kill()
			_, _ = s.Wait()
			return nil, err
		}
	}
	return s, nil
}

// enterUsers gives the supervisor's user namespace its ids; the supervisor waits for that.
func (s *Sandbox) enterUsers(u *Users) error {
	if err := u.apply(s.proc.Pid); err != nil {
		return err
	}
	_, err := s.pipe.Write([]byte{mapsWritten})
	return err
}

// Give hands the task over, once.
func (s *Sandbox) Give(task string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode sandbox task %s: %w", task, err)
	}
	req, err := json.Marshal(request{Task: task, Body: b, Files: s.files})
	if err != nil {
		return fmt.Errorf("encode sandbox request: %w", err)
	}
	if _, err := s.pipe.Write(frame(req)); err != nil { // it may be larger than the pipe: the supervisor reads meanwhile
		return fmt.Errorf("hand over sandbox request: %w", err)
	}
	if s.detached {
		return s.pipe.Close()
	}
	return nil
}

// startError says why the kernel refused new namespaces, and what would change that.
func startError(err error, o Options) error {
	switch {
	case errors.Is(err, syscall.EPERM) && o.Users != nil:
		return fmt.Errorf("start sandbox: %w: this machine refuses user namespaces to ordinary users (`caisson doctor` says why)", err)
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("start sandbox: %w (new namespaces need CAP_SYS_ADMIN; in a container: give it --privileged)", err)
	case errors.Is(err, syscall.ENOSPC):
		// Not %w: no disk is full.
		return errors.New("start sandbox: this machine allows no more namespaces; raise the limit that is reached: sysctl -w user.max_user_namespaces=15000, user.max_net_namespaces=… (of a network namespace: or use --network host)")
	}
	return fmt.Errorf("start sandbox: %w", err)
}

// Wait waits for the supervisor's end and returns its exit status, 128+N when it died by signal N.
func (s *Sandbox) Wait() (int, error) {
	st, err := s.proc.Wait()
	runtime.KeepAlive(s.pipe)
	s.pipe.Close()
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
