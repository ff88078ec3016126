package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"caisson/internal/emulator"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/payload"
	"caisson/internal/sandbox"
)

// serveTask is the body of the sandbox task "builder". Files: the listening socket, the locked builder.alive.
type serveTask struct {
	Program   string
	Request   wire.ServeRequest
	Emulators []emulator.Emulator
}

func init() { sandbox.Register("builder", superviseBuilder) }

func superviseBuilder(s *sandbox.Supervisor) (int, error) {
	var t serveTask
	if err := s.Body(&t); err != nil {
		return 0, err
	}
	env, err := prepareBuilder(t)
	if err != nil {
		return 0, err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	if err := json.NewEncoder(pw).Encode(t.Request); err != nil { // far below a pipe's size
		return 0, err
	}
	pw.Close()
	code, err := s.Run(t.Program, []string{payload.Engine, wire.Serve}, env, s.File(0), pr)
	s.KillRest() // a builder that died, or was in a hurry, leaves its steps
	sweepBuild(s.File(1), t.Request.Cgroup)
	return code, err
}

// runcState is where runc keeps the state of containers unless it is told otherwise; BuildKit cannot tell it.
const runcState = "/run/runc"

// prepareBuilder gives the steps' runc a private place for its state, so that nothing of a killed build stays in it.
func prepareBuilder(t serveTask) (env []string, err error) {
	scratch := filepath.Join(t.Request.Store, "scratch")
	if err := sandbox.Tmpfs(scratch); err != nil {
		return nil, err
	}
	env = os.Environ()
	if t.Request.Rootless {
		if err := sandbox.LockCgroups(); err != nil {
			return nil, err
		}
		env = append(env, "XDG_RUNTIME_DIR="+scratch, "USER=caisson") // runc looks at both
	} else {
		if err := os.MkdirAll(runcState, 0o700); err != nil {
			return nil, err
		}
		if err := sandbox.Tmpfs(runcState); err != nil {
			return nil, err
		}
	}
	if err := haveEmulators(scratch, t.Emulators, t.Request.Rootless); err != nil { // natively it builds all the same
		fmt.Fprintln(os.Stderr, err)
	}
	return env, nil
}
