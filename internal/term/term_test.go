package term

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

func on(mode Mode, color bool) (*Term, *bytes.Buffer) {
	var b bytes.Buffer
	return &Term{w: &b, mode: mode, color: color}, &b
}

func TestALineHasThePrefixAndFurtherLinesAreIndented(t *testing.T) {
	term, b := on(Plain, false)
	term.Error("it failed\nlook here\nand there")
	if got, want := b.String(), "caisson: it failed\n  look here\n  and there\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestControlCharactersAreShownAndNotSent(t *testing.T) {
	term, b := on(Plain, false)
	term.Note("a path: %s", "x\x1b]0;gone\a\ry")
	if strings.ContainsAny(b.String(), "\x1b\a\r") {
		t.Errorf("a control character reached the terminal: %q", b.String())
	}
	if !strings.Contains(b.String(), `x\x1b]0;gone\a\ry`) {
		t.Errorf("the path is not shown: %q", b.String())
	}
}

func TestColourIsForTheFirstLineOfATerminalOnly(t *testing.T) {
	term, b := on(TTY, true)
	term.Result(false, "bad\nwhy")
	if got, want := b.String(), "caisson: \x1b[31mbad\x1b[0m\n  why\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONIsOneObjectALineWithTimeAndKind(t *testing.T) {
	term, b := on(JSON, false)
	term.Warn("two\nlines")
	term.Event("run.end", "code", 7)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %d lines, want 2: %q", len(lines), b.String())
	}
	for i, kind := range []string{"warning", "run.end"} {
		var m map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &m); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if m["kind"] != kind {
			t.Errorf("line %d is of kind %v, want %s", i, m["kind"], kind)
		}
		if _, err := time.Parse(time.RFC3339Nano, m["time"].(string)); err != nil {
			t.Errorf("line %d: %v", i, err)
		}
	}
}

func TestAnEventIsSilentWithoutJSON(t *testing.T) {
	term, b := on(Plain, false)
	term.Event("run.end", "code", 0)
	if b.Len() > 0 {
		t.Errorf("got %q", b.String())
	}
}

func TestAutoIsPlainInAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if got := New(w, Auto).Mode(); got != Plain {
		t.Errorf("got %s, want %s", got, Plain)
	}
}

func TestDurationsAndSizesReadWell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		314 * time.Millisecond:                "0.31 s",
		12400 * time.Millisecond:              "12.4 s",
		3*time.Minute + 5*time.Second:         "3 min 05 s",
		61 * time.Minute:                      "61 min 00 s",
		59*time.Second + 999*time.Millisecond: "60.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 56_400_000: "56.4 MB", 2_500_000_000: "2.5 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
