package embedded

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/payload"
	"caisson/internal/sandbox"
)

// call runs one verb of the second program. conn, when not nil, becomes its descriptor wire.ConnFD, more those from
// wire.FirstFD on. The kernel kills the program when this process dies.
func (s Store) call(ctx context.Context, verb string, request, result any, conn *os.File, events func(engine.Event), more ...*os.File) error {
	path, err := payload.Unpack(s.Payload(), payload.Engine)
	if err != nil {
		return err
	}
	return s.converse(ctx, verb, request, result, events, func(in, messages *os.File) (func() (string, error), func(), error) {
		if conn == nil {
			conn = in // any open file: descriptor 3 is unused then
		}
		proc, err := sandbox.StartBound(path, []string{payload.Engine, verb}, &os.ProcAttr{
			Env: os.Environ(), Files: append([]*os.File{in, os.Stderr, os.Stderr, conn, messages}, more...),
			// Not in the terminal's foreground group: ^C reaches it through this process.
			Sys: &syscall.SysProcAttr{Setpgid: true},
		})
		if err != nil {
			return nil, nil, err
		}
		wait := func() (string, error) {
			st, err := proc.Wait()
			if err != nil {
				return "", err
			}
			return st.String(), nil
		}
		return wait, func() { _ = proc.Kill() }, nil
	})
}

// starter starts a verb's process with its request and message pipes; it returns how to wait for its end and to kill it.
type starter func(in, messages *os.File) (wait func() (string, error), kill func(), err error)

// endTime is how long a program may take to end once its caller no longer wants the answer.
const endTime = 2 * time.Second

// converse hands a request over and reads messages until the program ends. When ctx is done the request's pipe closes,
// which tells the program to end; it is killed when it does not.
func (s Store) converse(ctx context.Context, verb string, request, result any, events func(engine.Event), start starter) error {
	in, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	defer stdin.Close()
	out, messages, err := os.Pipe()
	if err != nil {
		in.Close()
		return err
	}
	defer out.Close()
	wait, kill, err := start(in, messages)
	in.Close()
	messages.Close()
	if err != nil {
		return fmt.Errorf("start %s %s: %w", payload.Engine, verb, err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	ended := make(chan struct{})
	defer close(ended)
	stop := context.AfterFunc(ctx, func() {
		stdin.Close()
		select {
		case <-ended:
		case <-time.After(endTime):
			kill()
		}
	})
	defer stop()
	wg.Go(func() { _ = json.NewEncoder(stdin).Encode(request) }) // EPIPE when the program is gone
	said := readMessages(bufio.NewReader(out), result, events)
	how, err := wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case said != nil && !errors.Is(said, errNoResult):
		return said
	case err != nil:
		return fmt.Errorf("wait for %s: %w", payload.Engine, err)
	case said != nil:
		return fmt.Errorf("%s %s: ended without a result (%s)", payload.Engine, verb, how)
	}
	return nil
}

var errNoResult = errors.New("no result")

// readMessages passes events on and returns what the last message says.
func readMessages(r *bufio.Reader, result any, events func(engine.Event)) error {
	for dec := json.NewDecoder(r); ; {
		var m wire.Message
		if err := dec.Decode(&m); err != nil {
			return errNoResult
		}
		switch {
		case m.Event != nil:
			if events != nil {
				events(*m.Event)
			}
		case m.Error != nil:
			return unwire(m.Error)
		case m.Result != nil:
			if result == nil {
				return nil
			}
			return json.Unmarshal(m.Result, result)
		}
	}
}

// unwire gives an error its type back.
func unwire(e *wire.Error) error {
	switch {
	case e.Build != nil:
		return e.Build
	case e.Syntax != nil:
		return e.Syntax
	case e.Base != nil:
		return e.Base
	}
	return errors.New(e.Reason)
}
