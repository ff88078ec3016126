package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"caisson/internal/engine/embedded"
	"caisson/internal/run/record"
	"caisson/internal/term"
)

// records is the folder of the records of runs, without opening an engine: looking needs no right but to read.
func (s *session) records() string { return stateDir(embedded.Store(s.storeDir)) }

// tidy sweeps what dead clients left, where there is a store and the right to; looking at runs needs neither.
func (s *session) tidy() {
	if _, err := os.Stat(s.storeDir); err != nil {
		return
	}
	if e, err := s.openEngine(); err == nil {
		_ = e.Close()
	}
}

const psUsage = `usage: caisson ps [-a]

The runs of this moment, of all callers of this store; with -a those that ended too.
Example: caisson ps -a
`

func ps(s *session, words []string) error {
	all := false
	for _, w := range words {
		if w != "-a" && w != "--all" {
			return &UsageError{Reason: fmt.Sprintf("ps does not know %q", w), Hint: "caisson ps [-a]"}
		}
		all = true
	}
	if s.help {
		_, err := io.WriteString(os.Stdout, psUsage)
		return err
	}
	s.tidy()
	entries, err := record.List(s.records())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tPLATFORM\tSTATE\tSINCE\tTOOK\tCOMMAND\tTREE")
	for _, e := range entries {
		if !all && e.State != record.StateLive {
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, orElse(e.Platform, "?"), state(e), e.Start.Local().Format(time.DateTime),
			term.Duration(took(e)), short(strings.Join(e.Command, " "), 40), short(e.Root, longestPath))
	}
	return w.Flush()
}

func state(e record.Entry) string {
	if e.State == record.StateEnded {
		if e.End.How == record.Exited {
			return fmt.Sprintf("status %d", e.End.Code)
		}
		return fmt.Sprintf("%s (%d)", e.End.How, e.End.Code)
	}
	if e.State == record.StateDead { // no command has marked it yet
		return string(record.Killed)
	}
	return string(e.State)
}

func took(e record.Entry) time.Duration {
	if e.End != nil {
		return e.End.Time.Sub(e.Start)
	}
	return time.Since(e.Start)
}

// longestPath is that of the system (PATH_MAX).
const longestPath = 4096

// short cuts a text for a table; what does not fit on a line is quoted.
func short(text string, size int) string {
	if q := fmt.Sprintf("%q", text); q != `"`+text+`"` {
		text = q
	}
	if r := []rune(text); len(r) > size {
		return string(r[:size-1]) + "…"
	}
	return text
}

const logsUsage = `usage: caisson logs [RUN]

What a run printed, on standard output; without a name the newest run. The beginning of a name will do.
Example: caisson logs
`

func logs(s *session, words []string) error {
	if s.help {
		_, err := io.WriteString(os.Stdout, logsUsage)
		return err
	}
	if len(words) > 1 {
		return &UsageError{Reason: "logs takes one run", Hint: "caisson logs [RUN]; `caisson ps -a` lists the runs"}
	}
	e, err := s.find(words)
	if err != nil {
		return err
	}
	f, err := os.Open(e.LogPath())
	if err != nil {
		return fmt.Errorf("read log of run %s: %w", e.ID, err)
	}
	defer f.Close()
	_, err = io.Copy(os.Stdout, f)
	return err
}

func (s *session) find(words []string) (record.Entry, error) {
	if len(words) == 1 {
		e, err := record.Find(s.records(), words[0])
		if errors.Is(err, record.ErrNoRun) {
			err = fmt.Errorf("%w; `caisson ps -a` lists them all", err)
		}
		return e, err
	}
	all, err := record.List(s.records())
	if err == nil && len(all) == 0 {
		err = errors.New("there was no run yet")
	}
	if err != nil {
		return record.Entry{}, err
	}
	return all[len(all)-1], nil
}
