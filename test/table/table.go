package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
)

// result of a test or a package in one mode.
type result struct {
	action  string // pass, fail or skip
	seconds float64
	why     string // of skip
}

// table has the results of all modes. Rows are in the order in which they were first seen.
type table struct {
	packages []string
	tests    map[string][]string // by package
	results  map[string]map[name]result
	mu       sync.Mutex // held by add
}

func (t *table) add(mode string, n name, r result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.results == nil {
		t.results, t.tests = map[string]map[name]result{}, map[string][]string{}
	}
	seen := false
	for _, results := range t.results {
		_, one := results[n]
		seen = seen || one
	}
	if _, known := t.tests[n.Package]; !known {
		t.packages = append(t.packages, n.Package)
		t.tests[n.Package] = nil
	}
	if n.Test != "" && !seen {
		t.tests[n.Package] = append(t.tests[n.Package], n.Test)
	}
	if t.results[mode] == nil {
		t.results[mode] = map[name]result{}
	}
	t.results[mode][n] = r
}

// print writes the table, what was left out and why, and a last line with numbers.
func (t *table) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "test\t"+strings.Join(modes, "\t"))
	for _, pkg := range t.packages {
		t.row(w, name{Package: pkg}, pkg)
		for _, test := range t.tests[pkg] {
			if !strings.Contains(test, "/") {
				t.row(w, name{pkg, test}, "  "+test)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t.leftOut(out)
	for _, mode := range modes {
		count := map[string]int{}
		for n, r := range t.results[mode] {
			if n.Test != "" && !strings.Contains(n.Test, "/") {
				count[r.action]++
			}
		}
		fmt.Fprintf(out, "as %s: %d passed, %d failed, %d left out\n", mode, count["pass"], count["fail"], count["skip"])
	}
	return nil
}

func (t *table) row(w io.Writer, n name, label string) {
	fmt.Fprint(w, label)
	for _, mode := range modes {
		cell := ""
		if r, ok := t.results[mode][n]; ok {
			cell = map[string]string{"pass": "%.1f s", "fail": "FAILED after %.1f s", "skip": "-"}[r.action]
			if r.action != "skip" {
				cell = fmt.Sprintf(cell, r.seconds)
			}
		}
		fmt.Fprint(w, "\t"+cell)
	}
	fmt.Fprintln(w)
}

// leftOut lists tests, and parts of tests, that a mode leaves out.
func (t *table) leftOut(out io.Writer) {
	fmt.Fprintln(out)
	for _, pkg := range t.packages {
		for _, test := range t.tests[pkg] {
			for _, mode := range modes {
				if r := t.results[mode][name{pkg, test}]; r.action == "skip" {
					fmt.Fprintf(out, "- as %s: %s: %s\n", mode, test, r.why)
				}
			}
		}
	}
}
