package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"caisson/internal/network"

	"golang.org/x/sys/unix"
)

// ownNetwork marks a process that has a network namespace of its own.
const ownNetwork = "CAISSON_TEST_OWN_NETWORK"

// world is an address of the outside, as the tests see it: any but the loopback.
const world = "198.51.100.1"

// step is the longest that anything in a test may take.
const step = 20 * time.Second

// TestMain gives the tests, in which the stack runs, a network namespace: it is the host and the world of the containers.
func TestMain(m *testing.M) {
	if os.Getenv(ownNetwork) == "" {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET) // of this thread, which execve(2) makes the only one
		if err == nil {
			err = syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), ownNetwork+"=1"))
		}
		fmt.Fprintln(os.Stderr, "give the tests a network namespace of their own (are you root?):", err)
		os.Exit(1)
	}
	if err := network.Loopback(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if b, err := ipCommand("addr", "add", world+"/32", "dev", "lo"); err != nil {
		fmt.Fprintf(os.Stderr, "make the world: ip (package iproute2): %v\n%s", err, b)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ipCommand runs ip(8) in the network namespace of this thread.
func ipCommand(words ...string) ([]byte, error) {
	return exec.Command("ip", words...).CombinedOutput()
}

// space is the network namespace of a container, and a thread in it.
type space struct {
	t    testing.TB
	jobs chan func()
	link *os.File
}

func newSpace(t testing.TB) *space {
	t.Helper()
	s := &space{t: t, jobs: make(chan func())}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			s.link, err = network.Up()
		}
		started <- err
		for job := range s.jobs {
			job()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(s.jobs)
		s.link.Close()
	})
	return s
}

// in runs the function on the container's thread and waits for it.
func (s *space) in(f func()) {
	done := make(chan struct{})
	s.jobs <- func() {
		defer close(done)
		f()
	}
	<-done
}

// dial connects from within the container.
func (s *space) dial(protocol, to string) (conn net.Conn, err error) {
	s.in(func() { conn, err = net.DialTimeout(protocol, to, step) })
	if err == nil {
		s.t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(step))
	}
	return conn, err
}

func (s *space) mustDial(protocol, to string) net.Conn {
	s.t.Helper()
	conn, err := s.dial(protocol, to)
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// serve runs the stack until the test ends, or until the returned function is called.
func (s *space) serve(cfg network.Config, listeners ...*os.File) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, s.link, cfg, listeners) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				s.t.Error(err)
			}
		case <-time.After(step):
			buf := make([]byte, 1<<20)
			s.t.Errorf("the stack does not end:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
	s.t.Cleanup(stop)
	return stop
}

// listen accepts connections at an address of the outside, each on a goroutine of its own.
func listen(t testing.TB, at string, handle func(*net.TCPConn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = conn.SetDeadline(time.Now().Add(step))
			go func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			}()
		}
	}()
	return l.Addr().String()
}
