// Package lifeline is the client's end of the line to PID 1 of a container. Whoever wants a command run in a container
// holds a Conn; its peer is the only descriptor that the container's init gets. The init starts what the client asks
// for, tells how it went, and kills everything the moment the client's end closes, however that came about: this is
// what makes a container end with its client.
//
// The order of calls: NewPair, give the peer to the container as descriptor 3 and close it here, Start, Started, Exit,
// Close. Terminate, Kill, Signal and Resize may be called from any goroutine after Start.
//
// What comes from the socket comes out of a container and is believed in nothing: lengths, numbers and descriptors are
// checked, and words lose their control characters.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline/wire"
)

// Request says what the init is to start.
type Request = wire.Request

// ErrGone: the container's init ended before it said what this call waited for.
var ErrGone = errors.New("the container's init is gone")

// Conn is the client's end. Closing it, or the death of the process that holds it, kills the container.
type Conn struct {
	sock    *net.UnixConn
	writing sync.Mutex // held while a frame is written

	reading sync.Mutex // guards all below
	inbox   inbox
	tty     bool          // as requested
	started bool          // the Started message is in
	ended   *wire.Message // the Failed or Exited message
}

// NewPair makes both ends. The peer belongs to the caller, who makes it descriptor 3 of the init and closes its own copy
// at once: as long as a copy lives in this process the end of the init goes unnoticed. Both ends are close-on-exec here.
func NewPair() (client *Conn, peer *os.File, err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make the lifeline's socket pair: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "lifeline")
	defer ours.Close() // FileConn has its own copy
	peer = os.NewFile(uintptr(fds[1]), "lifeline-peer")
	conn, err := net.FileConn(ours)
	if err != nil {
		peer.Close()
		return nil, nil, fmt.Errorf("open the lifeline: %w", err)
	}
	return &Conn{sock: conn.(*net.UnixConn)}, peer, nil
}

// Start sends the request. Without req.TTY all three files are needed; the container gets copies, in blocking mode, and
// the caller may close its own. With req.TTY they must be nil. Start waits for nothing but room in the socket.
func (c *Conn) Start(req Request, stdin, stdout, stderr *os.File) error {
	if err := req.Check(); err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	files := []*os.File{stdin, stdout, stderr}
	var oob []byte
	if !req.TTY {
		fds := make([]int, 0, len(files))
		for _, f := range files {
			if f == nil {
				return errors.New("start the command: standard input, output and error are needed without a terminal")
			}
			fds = append(fds, int(f.Fd()))
		}
		oob = syscall.UnixRights(fds...)
	} else if stdin != nil || stdout != nil || stderr != nil {
		return errors.New("start the command: a terminal replaces standard input, output and error")
	}
	frame := req.Frame()
	if len(frame)-wire.HeaderSize > wire.MaxRequest {
		return fmt.Errorf("start the command: arguments and environment are larger than %d MiB; pass less by -e", wire.MaxRequest>>20)
	}
	c.reading.Lock()
	c.tty = req.TTY
	c.reading.Unlock()
	err := c.send(frame, oob)
	runtime.KeepAlive(files)
	if err != nil {
		return fmt.Errorf("start the command: %w", err)
	}
	return nil
}

// Terminate asks the command to end: TERM to its process group, KILL to all that is left after the grace period. On a
// terminal both the command's and the foreground group get TERM and HUP; an interactive shell only HUP.
func (c *Conn) Terminate() error { return c.tell(wire.Message{Kind: wire.KindTerminate}) }

// Kill ends everything in the container at once.
func (c *Conn) Kill() error { return c.tell(wire.Message{Kind: wire.KindKill}) }

// Signal delivers signal n to the command's process group.
func (c *Conn) Signal(n int) error { return c.tell(wire.Message{Kind: wire.KindSignal, Signal: n}) }

// Resize sets the size of the command's terminal in character cells; without a terminal it does nothing.
func (c *Conn) Resize(rows, cols uint16) error {
	return c.tell(wire.Message{Kind: wire.KindResize, Rows: rows, Cols: cols})
}

// Close cuts the line: the init kills what is left and ends. Calls that wait return ErrGone.
func (c *Conn) Close() error {
	err := c.sock.Close() // ends a read, whose lock is needed below
	c.reading.Lock()
	defer c.reading.Unlock()
	c.inbox.drop()
	return err
}

func (c *Conn) tell(m wire.Message) error {
	if err := c.send(m.Frame(), nil); err != nil {
		return fmt.Errorf("tell the container's init: %w", err)
	}
	return nil
}

func (c *Conn) send(frame, oob []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	n, _, err := c.sock.WriteMsgUnix(frame, oob, nil)
	if err == nil && n < len(frame) {
		_, err = c.sock.Write(frame[n:])
	}
	return goneOr(err)
}

// Started waits until the command runs and returns the master side of its terminal (nil without one), which belongs to
// the caller. A command that could not be started is a *engine.StartError; ErrGone when the init ended before. After
// ctx is done, Started or Exit may still be called.
func (c *Conn) Started(ctx context.Context) (ptyMaster *os.File, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.started {
		return nil, errors.New("wait for the start: it was waited for before")
	}
	m, master, err := c.next(ctx)
	if err != nil {
		return nil, fmt.Errorf("wait for the start: %w", err)
	}
	if m.Kind == wire.KindStarted {
		return master, nil
	}
	if m.Kind == wire.KindFailed {
		return nil, startError(m)
	}
	return nil, fmt.Errorf("wait for the start: %w", wire.ErrMalformed)
}

// Exit waits for the end of the command and returns its own status, also after Terminate. When it could not be started
// the error is a *engine.StartError; ErrGone when the init ended without a word, as by a KILL from outside.
func (c *Conn) Exit() (engine.ExitStatus, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for c.ended == nil {
		_, master, err := c.next(context.Background())
		if err != nil {
			return engine.ExitStatus{}, fmt.Errorf("wait for the end of the command: %w", err)
		}
		if master != nil { // a start that nobody waited for
			master.Close()
		}
	}
	if c.ended.Kind == wire.KindFailed {
		return engine.ExitStatus{}, startError(*c.ended)
	}
	return engine.ExitStatus{
		Code: c.ended.Code, Signal: c.ended.Signal,
		MemoryKills: int(c.ended.MemoryKills), MemoryPeak: int64(c.ended.MemoryPeak) << 10,
	}, nil
}

// next reads the next message that makes sense now, and remembers it.
func (c *Conn) next(ctx context.Context) (wire.Message, *os.File, error) {
	if c.ended != nil {
		return *c.ended, nil, nil
	}
	// A deadline in the past wakes the reader; it has to be gone before the next one.
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		c.sock.SetReadDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-woken
			c.sock.SetReadDeadline(time.Time{})
		}
	}()
	m, file, err := c.inbox.read(c.sock)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return m, nil, goneOr(err)
	}
	if err := c.accept(m, file != nil); err != nil {
		if file != nil {
			file.Close()
		}
		return m, nil, err
	}
	return m, file, nil
}

// accept checks a message against what may come now.
func (c *Conn) accept(m wire.Message, withFile bool) error {
	switch {
	case m.Kind == wire.KindStarted && !c.started && withFile == c.tty:
		c.started = true
		return nil
	case m.Kind == wire.KindFailed && !c.started && !withFile:
	case m.Kind == wire.KindExited && c.started && !withFile && plausible(m.Code, m.Signal):
	default:
		return wire.ErrMalformed
	}
	c.ended = &m
	return nil
}

func plausible(code, signal int) bool {
	return code >= 0 && code <= 255 && (signal == 0 || signal > 0 && signal <= 64 && code == 128+signal)
}

func startError(m wire.Message) error {
	return &engine.StartError{NotFound: m.NotFound, Reason: printable(m.Reason)}
}
