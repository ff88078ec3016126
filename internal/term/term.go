// Package term is how caisson speaks to a person. Its rules:
//
//   - Standard output belongs to the container's command. All that caisson says goes to standard error.
//   - A line begins with "caisson: " and, where it is about a platform, the platform's name. No capital, no full stop.
//   - An error says what failed, where, and on lines of their own what was seen and what to do next.
//   - With --output json every line is one JSON object with "time" and "kind"; docs/events.md lists the kinds.
//   - Colour only on a terminal, never with NO_COLOR set.
package term

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// Mode is the value of --output.
type Mode string

// Modes. Auto is TTY on a terminal and Plain elsewhere.
const (
	Auto  Mode = "auto"
	TTY   Mode = "tty"
	Plain Mode = "plain"
	JSON  Mode = "json"
)

// Term writes to one stream; it is safe for concurrent use.
type Term struct {
	mu    sync.Mutex
	w     io.Writer
	mode  Mode
	color bool
}

// New makes a Term on a file, standard error as a rule.
func New(f *os.File, mode Mode) *Term {
	isTerm := term.IsTerminal(int(f.Fd()))
	if mode == Auto || mode == "" {
		mode = Plain
		if isTerm {
			mode = TTY
		}
	}
	return &Term{w: f, mode: mode, color: mode == TTY && os.Getenv("NO_COLOR") == ""}
}

// Mode in force; never Auto.
func (t *Term) Mode() Mode { return t.mode }

// Note says one thing. With JSON it is an event of kind "note".
func (t *Term) Note(format string, args ...any) { t.line("note", "", fmt.Sprintf(format, args...)) }

// Warn says something that a person should look at though the work goes on.
func (t *Term) Warn(format string, args ...any) {
	t.line("warning", yellow, "warning: "+fmt.Sprintf(format, args...))
}

// Error says why caisson failed. Lines after the first are indented.
func (t *Term) Error(text string) { t.line("error", red, text) }

// Result says how a run ended: good or bad.
func (t *Term) Result(good bool, text string) {
	c := green
	if !good {
		c = red
	}
	t.line("result", c, text)
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	reset  = "\x1b[0m"
)

func (t *Term) line(kind, color, text string) {
	if t.mode == JSON {
		t.Event(kind, "text", text)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	first, rest, more := strings.Cut(printable(text), "\n")
	if t.color && color != "" {
		first = color + first + reset
	}
	fmt.Fprintf(t.w, "caisson: %s\n", first)
	if more {
		for line := range strings.Lines(rest) {
			fmt.Fprintf(t.w, "  %s\n", strings.TrimRight(line, "\n"))
		}
	}
}

// printable shows control characters instead of sending them: a path or a build's output may come from a tree that
// somebody sent, and a terminal obeys what it is sent.
func printable(text string) string {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if !strings.ContainsFunc(text, control) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if control(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Event writes one JSON object in JSON mode and nothing in any other. Fields are names and values in turn.
func (t *Term) Event(kind string, fields ...any) {
	if t.mode != JSON {
		return
	}
	m := map[string]any{"time": time.Now().UTC().Format(time.RFC3339Nano), "kind": kind}
	for i := 0; i+1 < len(fields); i += 2 {
		m[fields[i].(string)] = fields[i+1]
	}
	b, err := json.Marshal(m)
	if err != nil {
		b, _ = json.Marshal(map[string]string{"kind": "error", "text": err.Error()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.w.Write(append(b, '\n'))
}

// Duration as people read it: 0.31 s, 12.4 s, 3 min 05 s.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	return fmt.Sprintf("%d min %02d s", int(d.Minutes()), int(d.Seconds())%60)
}

// Bytes as people read them, in powers of 1000.
func Bytes(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
