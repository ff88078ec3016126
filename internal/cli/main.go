package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded"
	"caisson/internal/image"
	"caisson/internal/run"
	"caisson/internal/run/record"
	"caisson/internal/term"
)

// Build says which caisson this is.
type Build struct{ Version, Commit, Date string }

// Main carries out one command line and returns the exit status.
func Main(args []string, b Build) int {
	command, rest, err := Split(args)
	if err != nil {
		return fail(term.New(os.Stderr, modeIn(args)), err)
	}
	switch command {
	case "help":
		return status(Usage(os.Stdout))
	case "version":
		return status(printVersion(b))
	case "run":
		return runCommand(rest, b)
	}
	verbs := map[string]func(*session, []string) error{
		"ps": ps, "logs": logs, "base": bases, "clean": clean, "doctor": doctor,
	}
	s, rest, err := newSession(rest)
	if err != nil {
		return fail(s.term, err)
	}
	defer s.in.Stop()
	if err := verbs[command](s, rest); err != nil {
		return fail(s.term, err)
	}
	return 0
}

func status(err error) int {
	if err != nil {
		return run.StatusFailed
	}
	return 0
}

// session is what all subcommands have in common.
type session struct {
	term     *term.Term
	in       *run.Interrupts
	storeDir string
	help     bool
}

// newSession takes the flags that every subcommand knows off its words.
func newSession(words []string) (*session, []string, error) {
	s := &session{term: term.New(os.Stderr, term.Auto), storeDir: storeDir("")}
	var rest []string
	for i := 0; i < len(words); i++ {
		name, value, attached := strings.Cut(words[i], "=")
		switch name {
		case "-h", "--help":
			s.help = true
		case "--store", "--output":
			if !attached {
				if i++; i == len(words) {
					return s, nil, &UsageError{Reason: name + " needs a value", Hint: helpHint}
				}
				value = words[i]
			}
			if name == "--store" {
				s.storeDir = storeDir(value)
				continue
			}
			mode, err := outputMode(name, value)
			if err != nil {
				return s, nil, err
			}
			s.term = term.New(os.Stderr, mode)
		default:
			rest = append(rest, words[i])
		}
	}
	s.in = run.CatchSignals(context.Background())
	return s, rest, nil
}

// storeDir is the engine's store: as named, else $CAISSON_STORE, else root's or the user's own.
func storeDir(named string) string {
	if named != "" {
		return named
	}
	if d := os.Getenv("CAISSON_STORE"); d != "" {
		return d
	}
	if os.Geteuid() == 0 {
		return "/var/lib/caisson"
	}
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, _ := os.UserHomeDir()
		data = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(data, "caisson")
}

// stateDir is the folder of the records of runs.
func stateDir(s embedded.Store) string { return filepath.Join(string(s), "runs") }

// openEngine opens the store and its engine, and sweeps what dead clients left.
func (s *session) openEngine() (*embedded.Engine, error) {
	store, err := embedded.OpenStore(s.storeDir)
	if err != nil {
		return nil, err
	}
	e, err := embedded.Open(store)
	if err != nil {
		return nil, err
	}
	_, err = s.sweep(e)
	return e, err
}

// sweep removes what dead clients left and marks their runs as killed.
func (s *session) sweep(e *embedded.Engine) ([]engine.Leftover, error) {
	left, err := e.Sweep(s.in.Context)
	if err != nil {
		return left, err
	}
	orphans, err := record.Dead(stateDir(e.Store()))
	for _, o := range orphans {
		err = errors.Join(err, o.Close())
	}
	return left, err
}

// fail says what went wrong and returns the exit status for it.
func fail(t *term.Term, err error) int {
	if code, ok := run.SignalStatus(err); ok {
		t.Error(fmt.Sprintf("ended by signal %d", code-128))
		return code
	}
	t.Error(explain(err))
	if se, ok := errors.AsType[*engine.StartError](err); ok {
		if se.NotFound {
			return run.StatusNotFound
		}
		return run.StatusNotRunnable
	}
	return run.StatusFailed
}

// explain puts an error into words: what failed, where, what was seen, what to do next, each on a line of its own.
func explain(err error) string {
	text := describe(err)
	// Many rooms, and programs that they start, may find the disk full; most know nothing of the store.
	if strings.Contains(strings.ToLower(text), "no space left on device") && !strings.Contains(text, "--store") {
		text += "\nfree some space (`caisson clean --images` drops what no run uses), or name another place with --store"
	}
	return text
}

func describe(err error) string {
	var lines []string
	if be, ok := errors.AsType[*engine.BuildError](err); ok {
		tries := strings.TrimSuffix(err.Error(), be.Error()) // "gave up after 3 tries: "
		lines = append(lines, tries+"image build failed: "+orElse(be.Step, be.Reason)+where(be.Where))
		lines = append(lines, be.Output...)
		if be.Step != "" {
			lines = append(lines, be.Reason)
		}
		return strings.Join(lines, "\n")
	}
	if be, ok := errors.AsType[*engine.BaseError](err); ok {
		return "cannot resolve FROM " + be.Ref + ": " + be.Reason + "\n" +
			"where no registry can be reached, make it a base of caisson's own:\n" +
			"  caisson base add " + be.Ref + " SOURCE\n" +
			"SOURCE is an OCI layout or archive, a docker save archive, a root file system (tar or folder), or debian:SUITE"
	}
	if se, ok := errors.AsType[*image.SyntaxError](err); ok {
		return "the Dockerfile cannot be read\n" + relative(se.Error())
	}
	if ue, ok := errors.AsType[*UsageError](err); ok && ue.Hint != "" {
		return ue.Reason + "\n" + ue.Hint
	}
	return err.Error()
}

func where(s string) string {
	if s == "" {
		return ""
	}
	return " (" + relative(s) + ")"
}

// relative shortens a path at the start of a text where it lies below the working folder.
func relative(s string) string {
	if wd, err := os.Getwd(); err == nil {
		return strings.TrimPrefix(s, wd+"/")
	}
	return s
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
