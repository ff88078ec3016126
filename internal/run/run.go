// Package run is one run of a command on a platform: it gives the engine what to start, moves the streams, turns signals
// and time limits into the end of the command, and keeps a record of it all. It knows no engine by name.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"caisson/internal/ccache"
	"caisson/internal/engine"
	"caisson/internal/run/record"

	"golang.org/x/term"
)

// Exit statuses of caisson itself.
const (
	StatusTimeout     = 124
	StatusFailed      = 125 // caisson or the engine failed
	StatusNotRunnable = 126
	StatusNotFound    = 127
)

// DefaultGrace is the time between TERM and KILL; $DOCKER_STOP_TIMEOUT (seconds) overrides it.
const DefaultGrace = 3 * time.Second

// Request says what to run.
type Request struct {
	Project, Root, Platform string // Root is absolute
	Image                   engine.Image
	Command                 []string // empty: the image's own
	Interactive             bool
	Env                     []string // NAME=VALUE
	User                    User
	Mounts                  []engine.Mount
	BuildDir                string // the tree's build folder on this machine
	Cache                   ccache.Cache
	ShmSize                 int64
	Timeout                 time.Duration // 0 is none
	Network                 engine.Network
	Publish                 []engine.Publish
	Limits                  engine.Limits
	Secrets                 []engine.Secret
	SSH                     []engine.SSHAgent
	CPU                     string // the processor to emulate
	StateDir                string // folder of the records
}

// Outcome of a run that was started or was to be.
type Outcome struct {
	ID       string
	Code     int // the exit status that caisson returns
	How      record.How
	Duration time.Duration
	Cache    ccache.Stats // of this run alone
	// Processes that the kernel ended for want of memory; the limit and the most that was used, in bytes, 0 is none or unknown.
	MemoryKills             int
	MemoryLimit, MemoryPeak int64
}

// Do runs the request to its end. The error is set when the command could not be run; Outcome.Code is valid always.
// note is told single lines for people.
func Do(in *Interrupts, eng engine.Engine, req Request, note func(string)) (Outcome, error) {
	out := Outcome{Code: StatusFailed, How: record.FailedToStart}
	rec, err := record.Create(req.StateDir, record.Info{
		Project: req.Project, Root: req.Root, Platform: req.Platform, Image: req.Image.Name, Command: req.Command,
		Mode: record.InPlace, Build: req.BuildDir, User: req.User.Name,
	})
	if err != nil {
		return out, err
	}
	out.ID = rec.ID()
	sayNeighbours(rec, req, note)
	start := time.Now()
	status, err := perform(in, eng, req, rec, note)
	out.Duration = time.Since(start)
	out.Code, out.How = classify(in.Context, status, err)
	if isOwnEnd(out.How) {
		err = nil
	}
	out.Cache = cacheStats(rec)
	out.MemoryKills, out.MemoryLimit, out.MemoryPeak = status.MemoryKills, req.Limits.Memory, status.MemoryPeak
	end := record.End{Code: out.Code, Signal: status.Signal, How: out.How}
	if err != nil {
		end.Reason = firstLine(err)
	}
	rec.Event("end", "code", out.Code, "how", string(out.How), "seconds", out.Duration.Seconds())
	if ferr := rec.Finish(end); ferr != nil {
		note("warning: " + ferr.Error())
	}
	return out, err
}

// perform is the run between the beginning and the end of its record.
func perform(in *Interrupts, eng engine.Engine, req Request, rec *record.Record, note func(string)) (engine.ExitStatus, error) {
	var none engine.ExitStatus
	ctx := in.Context
	if req.Timeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, req.Timeout, errTimeout)
		defer cancel()
		ctx = limited
	}
	cache, err := req.Cache.WithStats(statsPath(rec))
	if err != nil {
		return none, err
	}
	streams := engine.Streams{
		Stdin:   stdin(),
		Stdout:  io.MultiWriter(rec.Log(), os.Stdout),
		Stderr:  io.MultiWriter(rec.Log(), os.Stderr),
		Kill:    in.Kill,
		Note:    note,
		Started: func() { rec.Event("started", "command", req.Command) },
	}
	if req.Interactive {
		t, err := openTerminal()
		if err != nil {
			return none, err
		}
		defer t.close()
		streams.Stdin, streams.TTY, streams.Resize = os.Stdin, true, t.sizes
	}
	status, err := eng.Run(ctx, engine.RunSpec{
		ID: rec.ID(), Image: req.Image, Command: req.Command, NoCommandShell: req.Interactive,
		Env: append(cache.Env(), req.Env...), UID: req.User.UID, GID: req.User.GID, UserName: req.User.Name,
		Hostname: hostname(req.Platform), Mounts: append(req.Mounts, cache.Mounts()...), ShmSize: req.ShmSize, Grace: grace(),
		Network: req.Network, Publish: req.Publish, Proxies: Proxies(), Limits: req.Limits, Secrets: req.Secrets, SSH: req.SSH, CPU: req.CPU,
	}, streams)
	if ctx.Err() != nil && err == nil {
		err = context.Cause(ctx)
	}
	return status, err
}

// proxyNames are the variables that tell programs of a proxy. Source: curl(1), ENVIRONMENT.
var proxyNames = []string{"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy"}

// Proxies are this process's proxy variables, NAME=VALUE, in both spellings.
func Proxies() (env []string) {
	for _, name := range proxyNames {
		for _, n := range []string{name, strings.ToUpper(name)} {
			if v, ok := os.LookupEnv(n); ok {
				env = append(env, n+"="+v)
			}
		}
	}
	return env
}

// statsPath is where the compiler cache counts what this run alone did.
func statsPath(rec *record.Record) string { return filepath.Join(rec.Dir(), "ccache") }

func cacheStats(rec *record.Record) ccache.Stats {
	stats, err := ccache.ReadStats(statsPath(rec))
	if err != nil { // a run that ended before it had a cache, or a compiler cache of another kind
		return ccache.Stats{}
	}
	return stats
}

var errTimeout = errors.New("the time limit was over")

// stdin is handed over as it is. A terminal is not: without -i nobody types into a build, and one that asks would wait
// for ever.
func stdin() io.Reader {
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil
	}
	if st, err := os.Stdin.Stat(); err != nil || st.IsDir() {
		return nil // a folder would be a way out of the container
	}
	return os.Stdin
}

// classify turns the end of a run into caisson's exit status.
func classify(ctx context.Context, s engine.ExitStatus, err error) (int, record.How) {
	if sig, ok := errors.AsType[*Interrupted](err); ok {
		return 128 + int(sig.Signal), record.Signal
	}
	if sig, ok := errors.AsType[*Interrupted](context.Cause(ctx)); ok && ctx.Err() != nil {
		return 128 + int(sig.Signal), record.Signal
	}
	if errors.Is(err, errTimeout) {
		return StatusTimeout, record.Timeout
	}
	if se, ok := errors.AsType[*engine.StartError](err); ok {
		if se.NotFound {
			return StatusNotFound, record.FailedToStart
		}
		return StatusNotRunnable, record.FailedToStart
	}
	if err != nil {
		return StatusFailed, record.FailedToStart
	}
	return s.Code, record.Exited
}

func isOwnEnd(how record.How) bool { return how == record.Signal || how == record.Timeout }

// sayNeighbours tells who else works in this tree, and whose build/ this is: runs in place share it.
func sayNeighbours(rec *record.Record, req Request, note func(string)) {
	others, err := rec.Others()
	if err != nil {
		note("warning: " + err.Error())
	}
	for _, o := range others {
		note(fmt.Sprintf("run %s (%s) is at work in this tree and shares its build/ with this one", o.ID, o.Platform))
	}
	if last := record.LastPlatform(req.StateDir, req.Root); last != "" && last != req.Platform && len(others) == 0 {
		note(fmt.Sprintf("build/ was last written by %s", last))
	}
	if err := record.SetLastPlatform(req.StateDir, req.Root, req.Platform); err != nil {
		note("warning: " + err.Error())
	}
}

func grace() time.Duration {
	if n, err := strconv.ParseFloat(os.Getenv("DOCKER_STOP_TIMEOUT"), 64); err == nil && n >= 0 && n < 1e6 {
		return time.Duration(n * float64(time.Second))
	}
	return DefaultGrace
}

// hostname of a container is its platform's name, as far as a host name can hold it (RFC 1123).
func hostname(platform string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, platform)
	name = strings.Trim(name[:min(len(name), 63)], "-")
	if name == "" {
		return "caisson"
	}
	return name
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// SignalStatus is the exit status for a signal that caisson got outside of a run.
func SignalStatus(err error) (int, bool) {
	if sig, ok := errors.AsType[*Interrupted](err); ok {
		return 128 + int(sig.Signal), true
	}
	return 0, false
}
