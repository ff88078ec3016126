package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// container is a sandbox with the connection to the init that will run in it.
type container struct {
	box  *sandbox.Sandbox
	conn *lifeline.Conn
	said *tail         // what the supervisor and runc had to say
	gone chan struct{} // closed when the supervisor has ended, and with it everything in the sandbox
}

// newContainer clones the supervisor, which waits for its task.
func newContainer(o sandbox.Options) (*container, error) {
	conn, peer, err := lifeline.NewPair()
	if err != nil {
		return nil, err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.Files, o.Output = append([]*os.File{peer}, o.Files...), pw
	box, err := sandbox.Clone(o)
	peer.Close()
	pw.Close()
	if err != nil {
		pr.Close()
		conn.Close()
		return nil, err
	}
	c := &container{box: box, conn: conn, said: readTail(pr), gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		_, _ = box.Wait() // its status is runc's; the init tells the command's own
	}()
	return c, nil
}

// close ends what is left of the sandbox and waits for it.
func (c *container) close() {
	c.box.Kill()
	<-c.gone
	c.conn.Close()
}

// command starts the command, moves its streams, and sees it to its end.
func (c *container) command(ctx context.Context, req lifeline.Request, s engine.Streams) (engine.ExitStatus, error) {
	var none engine.ExitStatus
	st, err := newStdio(s)
	if err != nil {
		return none, err
	}
	if s.TTY {
		if size, ok := <-s.Resize; ok {
			req.Rows, req.Cols = size.Rows, size.Cols
		}
	}
	err = c.conn.Start(req, st.child[0], st.child[1], st.child[2])
	st.closeChild()
	if err != nil {
		return none, c.failed(err)
	}
	stop := c.stopWhenDone(ctx, req.Grace, s.Kill)
	defer stop()
	master, err := c.conn.Started(context.WithoutCancel(ctx))
	if err != nil {
		err = c.failed(err)
		st.finish()
		return none, err
	}
	if master != nil {
		st.terminal(master, s)
		go c.resize(s.Resize)
	}
	if s.Started != nil {
		s.Started()
	}
	status, err := c.conn.Exit()
	<-c.said.done // runc and the supervisor have closed all files: the container is gone
	st.finish()
	if err != nil {
		if ctx.Err() != nil { // killed after the grace period: no word of an exit any more
			return engine.ExitStatus{Code: 128 + int(unix.SIGKILL), Signal: int(unix.SIGKILL)}, nil
		}
		return none, c.failed(err)
	}
	return status, nil
}

func (c *container) resize(sizes <-chan engine.WindowSize) {
	for size := range sizes {
		_ = c.conn.Resize(size.Rows, size.Cols)
	}
}

// stopWhenDone asks the init to end the command when ctx is done. The init counts the grace period; a sandbox that is
// still there a second later is killed from outside.
func (c *container) stopWhenDone(ctx context.Context, grace time.Duration, kill <-chan struct{}) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		_ = c.conn.Terminate()
		select {
		case <-done:
			return
		case <-kill:
		case <-time.After(grace + time.Second):
		}
		c.box.Kill()
	})
	return func() { close(done); wg.Wait() }
}

// failed puts what runc or the supervisor said into an error that is about the engine, not the command.
func (c *container) failed(err error) error {
	if _, ok := errors.AsType[*engine.StartError](err); ok {
		return err
	}
	c.box.Kill()
	<-c.gone
	if said := c.said.String(); said != "" {
		return fmt.Errorf("start container: %s", said)
	}
	return fmt.Errorf("start container: %w", err)
}
