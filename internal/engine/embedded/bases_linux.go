package embedded

import (
	"context"
	"fmt"
	"os"
	"strings"

	"caisson/internal/emulator"
	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/image/base/index"
	"caisson/internal/payload"
	"caisson/internal/sandbox"
)

// Bases lists the images in caisson's own store that a FROM can name without a registry.
func (e *Engine) Bases() ([]index.Entry, error) { return index.Read(e.store.Bases()) }

// AddBase makes a base from a source (see package image/base). It runs in a sandbox: what it starts, mmdebstrap for one,
// ends with this process.
func (e *Engine) AddBase(ctx context.Context, ref, source string, note func(string)) (index.Entry, error) {
	var added index.Entry
	err := e.store.callSandboxed(ctx, e.emulatorsFor(source), wire.BaseAdd, wire.BaseRequest{Dir: e.store.Bases(), Ref: ref, Source: source, Caller: os.Geteuid()}, &added,
		func(ev engine.Event) { note(ev.Text) })
	return added, err
}

// emulatorsFor finds what mmdebstrap needs to make a Debian for another processor: "debian:SUITE/ARCH".
func (e *Engine) emulatorsFor(source string) []emulator.Emulator {
	suite, arch, _ := strings.Cut(source, "/")
	if !strings.HasPrefix(suite, "debian:") || arch == "" {
		return nil
	}
	es, err := e.emulators("linux/" + arch)
	if err != nil { // mmdebstrap says what it lacks
		return nil
	}
	return es
}

// RemoveBase removes a base. Images that were built from it stay.
func (e *Engine) RemoveBase(ctx context.Context, ref string) error {
	return e.store.callSandboxed(ctx, nil, wire.BaseDel, wire.BaseRequest{Dir: e.store.Bases(), Ref: ref}, nil, nil)
}

// verbTask is the body of the sandbox task "verb". Files: the request, the messages.
type verbTask struct {
	Program, Verb, Dir string
	Emulators          []emulator.Emulator // the sandbox has a user namespace of its own then
}

func init() { sandbox.Register("verb", superviseVerb) }

func superviseVerb(s *sandbox.Supervisor) (int, error) {
	var t verbTask
	if err := s.Body(&t); err != nil {
		return 0, err
	}
	if len(t.Emulators) > 0 {
		if err := emulator.Register(binfmtDir, t.Emulators); err != nil {
			return 0, err
		}
	}
	if err := os.Chdir(t.Dir); err != nil { // sources are relative to the caller's folder
		return 0, err
	}
	return s.RunWith(t.Program, []string{payload.Engine, t.Verb}, os.Environ(), s.File(0), s.File(1), s.File(1))
}

// callSandboxed is call for a verb that starts programs of its own.
func (s Store) callSandboxed(ctx context.Context, es []emulator.Emulator, verb string, request, result any, events func(engine.Event)) error {
	path, err := payload.Unpack(s.Payload(), payload.Engine)
	if err != nil {
		return err
	}
	u, err := users()
	if err != nil {
		return err
	}
	if len(es) > 0 && u == nil {
		if u, err = sandbox.Identity(); err != nil {
			return err
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	return s.converse(ctx, verb, request, result, events, func(in, messages *os.File) (func() (string, error), func(), error) {
		box, err := sandbox.Start(sandbox.Options{Files: []*os.File{in, messages}, Output: os.Stderr, Users: u},
			"verb", verbTask{Program: path, Verb: verb, Dir: wd, Emulators: es})
		if err != nil {
			return nil, nil, err
		}
		wait := func() (string, error) {
			code, err := box.Wait()
			return fmt.Sprintf("exit status %d", code), err
		}
		return wait, box.Kill, nil
	})
}
