// Caisson-engine is the second program inside caisson: everything that is slow to start. It has no use of its own; caisson
// starts it with a verb, and internal/engine/embedded/wire says how the two speak.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/builder"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/image/base"
	"caisson/internal/image/dockerfile"
	"caisson/internal/network"
	"caisson/internal/network/stack"
)

// version is set by the linker.
var version = "dev"

func main() {
	if os.Args[0] == builder.GitName {
		code, err := builder.Git(os.Args[1:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 125
		}
		os.Exit(code)
	}
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "caisson-engine is a part of caisson and is started by it")
		os.Exit(125)
	}
	if os.Args[1] == wire.Serve {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(125)
		}
		return
	}
	if err := call(os.Args[1]); err != nil {
		os.Exit(125)
	}
}

// serve is the builder: descriptor 3 is its listening socket, 4 the request.
func serve() error {
	var req wire.ServeRequest
	if err := json.NewDecoder(os.NewFile(4, "request")).Decode(&req); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	return builder.Serve(req, os.NewFile(3, "socket"))
}

// call answers one verb and tells its outcome on the result descriptor.
func call(verb string) error {
	// ^C is the caller's business; it closes standard input when it no longer wants the answer.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTTOU)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := &messenger{enc: json.NewEncoder(os.NewFile(wire.ResultFD, "result"))}
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	var request json.RawMessage
	err := in.Decode(&request)
	if err != nil {
		err = fmt.Errorf("read request: %w", err)
	} else {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		builder.Silence()
		var result any
		if result, err = answer(ctx, verb, request, out.event); err == nil {
			return out.result(result)
		}
	}
	out.error(err)
	return err
}

func answer(ctx context.Context, verb string, request json.RawMessage, events func(engine.Event)) (any, error) {
	conn := os.NewFile(wire.ConnFD, "builder")
	switch verb {
	case wire.Build:
		return with(request, func(r wire.BuildRequest) (any, error) { return nil, builder.Build(ctx, r, conn, events) })
	case wire.Prune:
		return with(request, func(r wire.PruneRequest) (any, error) { return builder.Prune(ctx, r, conn) })
	case wire.Plan:
		return with(request, func(r wire.PlanRequest) (any, error) { return dockerfile.Read(r.File, r.Text) })
	case wire.Resolve:
		return with(request, func(r wire.ResolveRequest) (any, error) { return builder.Resolve(ctx, r.Ref) })
	case wire.BaseAdd:
		return with(request, func(r wire.BaseRequest) (any, error) {
			a := &base.Adder{Dir: r.Dir, Caller: r.Caller, Progress: func(s string) { events(engine.Event{Kind: "note", Text: s}) }}
			return a.Add(ctx, r.Ref, r.Source)
		})
	case wire.Network:
		return with(request, func(r network.Config) (any, error) {
			var listeners []*os.File
			for i := range r.Published {
				listeners = append(listeners, os.NewFile(uintptr(wire.FirstFD+i), "listener"))
			}
			return nil, stack.Serve(ctx, conn, r, listeners)
		})
	case wire.BaseDel:
		return with(request, func(r wire.BaseRequest) (any, error) {
			return nil, base.Remove(ctx, r.Dir, r.Ref)
		})
	}
	return nil, fmt.Errorf("unknown verb %q", verb)
}

func with[T any](request json.RawMessage, f func(T) (any, error)) (any, error) {
	var r T
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, fmt.Errorf("decode request: %w", err)
	}
	return f(r)
}

// messenger writes messages, one a line; events come from several goroutines.
type messenger struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func (m *messenger) send(msg wire.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.enc.Encode(msg)
}

func (m *messenger) event(e engine.Event) { _ = m.send(wire.Message{Event: &e}) }

func (m *messenger) result(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return m.send(wire.Message{Result: b})
}

func (m *messenger) error(err error) {
	e := &wire.Error{Reason: err.Error()}
	errors.As(err, &e.Build)
	errors.As(err, &e.Syntax)
	errors.As(err, &e.Base)
	_ = m.send(wire.Message{Error: e})
}
