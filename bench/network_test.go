package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"caisson/internal/network"
	"caisson/internal/network/stack"

	"golang.org/x/sys/unix"
)

const (
	// outside is where the receivers and senders outside of the containers are.
	outside = "198.51.100.1"
	// stackConfig marks the process that runs the stack, and is its configuration.
	stackConfig = "CAISSON_BENCH_STACK"
	// transferLimit is the longest that one transfer may take.
	transferLimit = 2 * time.Minute
	// slirpLimit is of the time that the same transfer takes through slirp4netns.
	slirpLimit = 1.0
)

// TestServeTheStack is no test: it is the process in which the stack of a measurement runs, as in the engine program.
func TestServeTheStack(t *testing.T) {
	text := os.Getenv(stackConfig)
	if text == "" {
		return
	}
	var cfg network.Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		t.Fatal(err)
	}
	if err := stack.Serve(context.Background(), os.NewFile(3, "the link"), cfg, nil); err != nil {
		t.Fatal(err)
	}
}

// netSpace is a container's network namespace, and a thread in it.
type netSpace struct {
	path string // of the namespace
	jobs chan func()
}

// newNetSpace makes a namespace; setUp runs on its thread first.
func newNetSpace(t testing.TB, setUp func() error) netSpace {
	t.Helper()
	s := netSpace{jobs: make(chan func())}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		s.path = fmt.Sprintf("/proc/%d/task/%d/ns/net", os.Getpid(), unix.Gettid())
		if err == nil {
			err = setUp()
		}
		started <- err
		for job := range s.jobs {
			job()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(s.jobs) })
	return s
}

func (s netSpace) dial(t testing.TB, to string) net.Conn {
	t.Helper()
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	s.jobs <- func() {
		conn, err := net.DialTimeout("tcp", to, onceLimit)
		done <- result{conn, err}
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.conn
}

// ours is a container whose network is caisson's.
func ours(t testing.TB) netSpace {
	t.Helper()
	var link *os.File
	s := newNetSpace(t, func() (err error) {
		link, err = network.Up()
		return err
	})
	defer link.Close()
	c := exec.Command("/proc/self/exe", "-test.run=^TestServeTheStack$")
	c.Env = append(os.Environ(), stackConfig+"={}", "CAISSON_BENCH=")
	c.ExtraFiles = []*os.File{link}
	background(t, c)
	return s
}

// slirp is a container whose network is slirp4netns.
func slirp(t testing.TB, options ...string) netSpace {
	t.Helper()
	s := newNetSpace(t, func() error { return nil })
	ready, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	c := exec.Command("slirp4netns", add(append(options, "--configure", "--ready-fd=3", "--netns-type=path"), s.path, "tap0")...)
	c.ExtraFiles = []*os.File{write}
	background(t, c)
	write.Close()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		t.Fatalf("slirp4netns does not start: %v", err)
	}
	return s
}

// background starts a process that is ended with the test.
func background(t testing.TB, c *exec.Cmd) {
	t.Helper()
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait() // its status does not matter
		if t.Failed() {
			t.Logf("%q:\n%s", c.Args, said.String())
		}
	})
}

// transfer sends so many bytes from one connection to the other end of it, and returns when all have been received.
func transfer(t testing.TB, from, to net.Conn, size int) {
	t.Helper()
	for _, c := range []net.Conn{from, to} {
		_ = c.SetDeadline(time.Now().Add(transferLimit))
	}
	sent := make(chan error, 1)
	go func() {
		buf := make([]byte, 128<<10)
		for left := size; left > 0; left -= len(buf) {
			if _, err := from.Write(buf[:min(left, len(buf))]); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	buf := make([]byte, 128<<10)
	for left := size; left > 0; {
		n, err := to.Read(buf[:min(left, len(buf))])
		if err != nil {
			t.Fatalf("%d of %d bytes before the end: %v", left, size, err)
		}
		left -= n
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// A container's bytes go out and come in at least as fast as through the user-mode network that others start.
func TestBytesPassThePrivateNetworkAsFastAsSlirp4netns(t *testing.T) {
	if !full {
		return // it need not be installed
	}
	const theirs, jumbo = "`slirp4netns`", "`slirp4netns --mtu=65520`"
	for _, direction := range []string{"out of", "into"} {
		t.Run(direction, func(t *testing.T) {
			const size = 128 << 20
			what := fmt.Sprintf("128 MiB %s a container", direction)
			limit := fmt.Sprintf("at most %.1f", slirpLimit)
			if _, err := exec.LookPath("slirp4netns"); err != nil {
				notMeasured(t, what, theirs, noLimit, "slirp4netns is not installed")
				notMeasured(t, what, jumbo, limit, "slirp4netns is not installed")
				return
			}
			ownNetwork(t)
			output(t, onceLimit, "ip", "addr", "add", outside+"/32", "dev", "lo")
			l, err := net.Listen("tcp", outside+":0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			spaces := []netSpace{ours(t), slirp(t, "--mtu=1500"), slirp(t, "--mtu=65520")}
			all := make([]series, len(spaces))
			for round := range 12 { // the first one does not count
				for i := range spaces {
					at := (round + i) % len(spaces)
					inside := spaces[at].dial(t, l.Addr().String())
					out, err := l.Accept()
					if err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					if direction == "into" {
						transfer(t, out, inside, size)
					} else {
						transfer(t, inside, out, size)
					}
					if round > 0 {
						all[at] = append(all[at], time.Since(began))
					}
					inside.Close()
					out.Close()
				}
			}
			row(t, what, theirs, compare(all[0], all[1]), noLimit, true)
			r := compare(all[0], all[2])
			row(t, what, jumbo, r, limit, r.median <= slirpLimit)
		})
	}
}
