package machine

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"caisson/test/harness"
	"caisson/test/machines/agent"
)

// Command is what a machine is asked to run.
type Command = agent.Command

// calls are the commands that run in a machine.
type calls struct {
	conn    net.Conn
	mu      sync.Mutex // for all below
	encoder *gob.Encoder
	open    map[int]*call
	last    int   // ID
	lost    error // why the connection is gone, nil while it is there
	reader  sync.WaitGroup
}

// call is one command that runs. Its end has what it printed before.
type call struct {
	stdout, stderr strings.Builder
	end            chan callEnd // one value, from the reader
}

type callEnd struct {
	agent.End
	stdout, stderr string
	err            error
}

func newCalls(conn net.Conn) *calls {
	c := &calls{conn: conn, encoder: gob.NewEncoder(conn), open: map[int]*call{}}
	c.reader.Go(c.read)
	return c
}

// close ends the connection and all calls.
func (c *calls) close() {
	c.conn.Close()
	c.reader.Wait()
}

// read hands out what the machine says until the connection ends.
func (c *calls) read() {
	decoder := gob.NewDecoder(c.conn)
	for {
		var r agent.Reply
		if err := decoder.Decode(&r); err != nil {
			c.lose(fmt.Errorf("the machine is gone: %w", err))
			return
		}
		c.mu.Lock()
		if call := c.open[r.ID]; call != nil {
			call.stdout.Write(r.Stdout)
			call.stderr.Write(r.Stderr)
			if r.End != nil {
				call.end <- callEnd{End: *r.End, stdout: call.stdout.String(), stderr: call.stderr.String()}
				delete(c.open, r.ID)
			}
		}
		c.mu.Unlock()
	}
}

// lose ends all calls that are open.
func (c *calls) lose(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = err
	for id, call := range c.open {
		call.end <- callEnd{err: err}
		delete(c.open, id)
	}
}

// send gives a command to the machine.
func (c *calls) send(command Command, limit time.Duration) (*call, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost != nil {
		return nil, c.lost
	}
	c.last++
	call := &call{end: make(chan callEnd, 1)}
	c.open[c.last] = call
	if err := c.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	if err := c.encoder.Encode(agent.Request{ID: c.last, Command: command}); err != nil {
		return nil, fmt.Errorf("send the command: %w", err)
	}
	return call, nil
}

// run runs a command to its end, for limit at most. An error says that it could not be run or did not end.
func (c *calls) run(command Command, limit time.Duration) (harness.Result, error) {
	start := time.Now()
	call, err := c.send(command, limit)
	if err != nil {
		return harness.Result{}, err
	}
	select {
	case end := <-call.end:
		r := harness.Result{Stdout: end.stdout, Stderr: end.stderr, Code: end.Code, Took: time.Since(start)}
		if end.err == nil && end.Failure != "" {
			end.err = errors.New(end.Failure)
		}
		return r, end.err
	case <-time.After(limit):
		return harness.Result{}, fmt.Errorf("it did not end within %s", limit)
	}
}
