package lifeline

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"caisson/internal/engine"
	"caisson/internal/lifeline/wire"
)

// impostor is an init that says what it likes.
type impostor struct {
	t    *testing.T
	sock *net.UnixConn
}

// deceived returns a client that has asked for a command, and the impostor at the other end.
func deceived(t *testing.T, tty bool) (*Conn, impostor) {
	t.Helper()
	c, peer, err := NewPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sock, err := net.FileConn(peer)
	peer.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	req := Request{Args: []string{"true"}, TTY: tty}
	if tty {
		err = c.Start(req, nil, nil, nil)
	} else {
		err = c.Start(req, os.Stdin, os.Stdout, os.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c, impostor{t, sock.(*net.UnixConn)}
}

func (i impostor) say(frame []byte, fds ...int) {
	i.t.Helper()
	var oob []byte
	if len(fds) > 0 {
		oob = syscall.UnixRights(fds...)
	}
	if _, _, err := i.sock.WriteMsgUnix(frame, oob, nil); err != nil {
		i.t.Fatal(err)
	}
}

func started() []byte { return wire.Message{Kind: wire.KindStarted}.Frame() }

func exited(code, signal int) []byte {
	return wire.Message{Kind: wire.KindExited, Code: code, Signal: signal}.Frame()
}

func TestImpostorIsRefused(t *testing.T) {
	frame := started()
	for _, tt := range []struct {
		name string
		says [][]byte
		want error
	}{
		{"silence and an end", nil, ErrGone},
		{"half a header", [][]byte{frame[:2]}, ErrGone},
		{"half a message", [][]byte{frame[:len(frame)-1]}, ErrGone},
		{"a message without content", [][]byte{{0, 0, 0, 0}}, wire.ErrMalformed},
		{"a message of 4 GiB", [][]byte{{255, 255, 255, 255}}, wire.ErrMalformed},
		{"a message just over the limit", [][]byte{{0, 0, 0x40, 1}}, wire.ErrMalformed},
		{"an unknown kind", [][]byte{wire.Message{Kind: 200}.Frame()}, wire.ErrMalformed},
		{"a message for inits", [][]byte{wire.Message{Kind: wire.KindKill}.Frame()}, wire.ErrMalformed},
		{"an end before the start", [][]byte{exited(0, 0)}, wire.ErrMalformed},
		{"two starts", [][]byte{started(), started()}, wire.ErrMalformed},
		{"a failure after the start", [][]byte{started(), wire.Message{Kind: wire.KindFailed}.Frame()}, wire.ErrMalformed},
		{"a status above 255", [][]byte{started(), exited(256, 0)}, wire.ErrMalformed},
		{"a negative status", [][]byte{started(), exited(-1, 0)}, wire.ErrMalformed},
		{"a signal that does not fit the status", [][]byte{started(), exited(0, 9)}, wire.ErrMalformed},
		{"a signal that does not exist", [][]byte{started(), exited(228, 100)}, wire.ErrMalformed},
		{"a string longer than its message", [][]byte{append([]byte{0, 0, 0, 25, 65}, make([]byte, 20, 24)...), {255, 255, 255, 255}}, wire.ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, i := deceived(t, false)
			for _, b := range tt.says {
				i.say(b)
			}
			i.sock.CloseWrite()
			if _, err := c.Exit(); !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
		})
	}
}

func TestSurpriseDescriptorsAreClosed(t *testing.T) {
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close() })
		return r, w
	}
	// closedEverywhere: the pipe ends only when the last copy of its write end is closed.
	closedEverywhere := func(r *os.File) bool {
		r.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := r.Read(make([]byte, 1))
		return n == 0 && err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
	}
	t.Run("with a start that has no terminal", func(t *testing.T) {
		c, i := deceived(t, false)
		r, w := pipe()
		i.say(started(), int(w.Fd()))
		w.Close()
		i.say(exited(0, 0))
		if _, err := c.Exit(); err != nil {
			t.Errorf("a pipe is no terminal and should have been dropped: %v", err)
		}
		if !closedEverywhere(r) {
			t.Error("the descriptor is still open")
		}
	})
	t.Run("a pipe in place of a terminal", func(t *testing.T) {
		c, i := deceived(t, true)
		r, w := pipe()
		i.say(started(), int(w.Fd()))
		w.Close()
		if _, err := c.Started(context.Background()); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("error is %v", err)
		}
		if !closedEverywhere(r) {
			t.Error("the descriptor is still open")
		}
	})
	t.Run("further ones beside a terminal", func(t *testing.T) {
		c, i := deceived(t, true)
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		defer slave.Close()
		r, w := pipe()
		i.say(started(), int(master.Fd()), int(w.Fd()), int(w.Fd()))
		w.Close()
		got, err := c.Started(context.Background())
		if err != nil || got == nil {
			t.Fatalf("no terminal: %v", err)
		}
		got.Close()
		if !closedEverywhere(r) {
			t.Error("a descriptor is still open")
		}
	})
	t.Run("with a message that never ends", func(t *testing.T) {
		c, i := deceived(t, true)
		master, slave, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer master.Close()
		i.say(started()[:6], int(slave.Fd()))
		slave.Close()
		i.sock.Close()
		if _, err := c.Started(context.Background()); !errors.Is(err, ErrGone) {
			t.Errorf("error is %v", err)
		}
		if _, err := master.Read(make([]byte, 1)); !errors.Is(err, syscall.EIO) { // no slave side is open any more
			t.Errorf("the descriptor is still open: %v", err)
		}
	})
}

func TestReasonCannotSteerATerminal(t *testing.T) {
	c, i := deceived(t, false)
	i.say(wire.Message{Kind: wire.KindFailed, NotFound: true, Reason: "a\x1b[2J\nb\xffé" + strings.Repeat("x", 20000)}.Frame())
	_, err := c.Started(context.Background())
	var e *engine.StartError
	if !errors.As(err, &e) {
		t.Fatalf("error is %v", err)
	}
	if !e.NotFound || !strings.HasPrefix(e.Reason, "a?[2J?b\ufffdéxxx") || len(e.Reason) > 9000 {
		t.Errorf("not found %v, reason of %d bytes: %.20q", e.NotFound, len(e.Reason), e.Reason)
	}
}

func TestStartedGivesUpWithItsContext(t *testing.T) {
	c, i := deceived(t, false)
	frame := started()
	i.say(frame[:7]) // what is in must not be lost
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.Started(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v", err)
	}
	i.say(frame[7:])
	i.say(exited(143, 15))
	got, err := c.Exit()
	if want := (engine.ExitStatus{Code: 143, Signal: 15}); err != nil || got != want {
		t.Errorf("status %+v, %v", got, err)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	c, _ := deceived(t, false)
	ended := make(chan error, 1)
	go func() {
		_, err := c.Exit()
		ended <- err
	}()
	c.Close()
	if err := <-ended; !errors.Is(err, ErrGone) {
		t.Errorf("error is %v", err)
	}
	if err := c.Terminate(); !errors.Is(err, ErrGone) {
		t.Errorf("Terminate says %v", err)
	}
}

func TestStartRefusesWhatNoInitCanServe(t *testing.T) {
	std := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	for _, tt := range []struct {
		name  string
		req   Request
		files []*os.File
		words string
	}{
		{"no command", Request{}, std, "no command"},
		{"a negative user", Request{Args: []string{"x"}, UID: -1}, std, "ids"},
		{"a group that means unchanged", Request{Args: []string{"x"}, Groups: []int{1<<32 - 1}}, std, "ids"},
		{"a missing file", Request{Args: []string{"x"}}, []*os.File{os.Stdin, nil, os.Stderr}, "needed"},
		{"files beside a terminal", Request{Args: []string{"x"}, TTY: true}, std, "terminal"},
		{"an environment that is too large", Request{Args: []string{"x"}, Env: []string{strings.Repeat("x", wire.MaxRequest)}}, std, "larger than"},
		{"a negative grace period", Request{Args: []string{"x"}, Grace: -1}, std, "grace"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, peer, err := NewPair()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			defer peer.Close()
			err = c.Start(tt.req, tt.files[0], tt.files[1], tt.files[2])
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("error is %v, without %q", err, tt.words)
			}
		})
	}
}
