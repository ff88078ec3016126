package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of go test -json. Source: go doc test2json, go help buildjson.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // s
	Output  string
}

// name of a test or, without Test, of a package.
type name struct{ Package, Test string }

// collector reads the results of one mode.
type collector struct {
	mode    string
	table   *table
	out     io.Writer
	verbose bool
	open    map[name]bool     // tests that have begun and not ended
	said    map[name][]string // what each has printed; of subtests, under their test's name
}

func (c *collector) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			c.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what go test prints: %w", err)
		}
	}
}

func (c *collector) line(line []byte) {
	var e event
	if err := json.Unmarshal(line, &e); err != nil { // go's own words
		fmt.Fprintf(c.out, "%s", line)
		return
	}
	n := name{e.Package, e.Test}
	switch e.Action {
	case "run":
		c.open[n] = true
	case "build-output":
		fmt.Fprint(c.out, e.Output)
	case "output":
		c.output(n, e.Output)
	case "pass", "fail", "skip":
		if n.Test == "" {
			c.packageEnds(n, e)
		} else {
			c.testEnds(n, e.Action, e.Elapsed)
		}
	}
}

// output keeps what a test says until it is known how it ends. A package's own words are shown as they come.
func (c *collector) output(n name, text string) {
	if c.verbose || n.Test == "" && text != "PASS\n" {
		fmt.Fprint(c.out, text)
	}
	for _, noise := range []string{"=== RUN ", "=== PAUSE ", "=== CONT ", "=== NAME "} {
		if strings.HasPrefix(text, noise) {
			return
		}
	}
	c.said[n] = append(c.said[n], text)
}

func (c *collector) testEnds(n name, action string, elapsed float64) {
	delete(c.open, n)
	r := result{action: action, seconds: elapsed}
	if action == "skip" {
		r.why = reason(c.said[n])
	}
	c.table.add(c.mode, n, r)
	if strings.Contains(n.Test, "/") {
		return
	}
	if action == "fail" && !c.verbose {
		c.tell(n)
	}
	maps.DeleteFunc(c.said, func(other name, _ []string) bool { return c.of(other, n) })
}

// of says whether a name is the test's or one of its subtests'.
func (c *collector) of(other, test name) bool {
	return other.Package == test.Package && (other.Test == test.Test || strings.HasPrefix(other.Test, test.Test+"/"))
}

// tell prints what a test and its subtests said, the test first.
func (c *collector) tell(test name) {
	var names []name
	for n := range c.said {
		if c.of(n, test) {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(a, b name) int { return strings.Compare(a.Test, b.Test) })
	for _, n := range names {
		fmt.Fprint(c.out, strings.Join(c.said[n], ""))
	}
}

// packageEnds notes the package, and as failed what was still running.
func (c *collector) packageEnds(n name, e event) {
	for test := range c.open {
		if test.Package == n.Package {
			c.testEnds(test, "fail", 0)
		}
	}
	if e.Action != "skip" { // one without tests
		c.table.add(c.mode, n, result{action: e.Action, seconds: e.Elapsed})
	}
}

// reason is the text of the line that t.Skip prints: "    file.go:12: text".
func reason(said []string) string {
	for _, line := range said {
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, why, ok := strings.Cut(text, ": "); ok {
				return strings.TrimSpace(why)
			}
		}
	}
	return ""
}
