package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a file.
type Error struct {
	File         string
	Line, Column int    // both from 1; a column is a character
	Reason       string // what is wrong
	Fix          string // what to do
}

func (e Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", e.File, e.Line, e.Column, e.Reason, e.Fix)
}

// Errors is all that is wrong with a file, in the order of the places. It has at least one.
type Errors []Error

// most is how many errors are told one by one.
const most = 25

func (e Errors) Error() string {
	var lines []string
	for _, err := range e[:min(len(e), most)] {
		lines = append(lines, err.Error())
	}
	if more := len(e) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find an Error.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

// place is where something stands in a file.
type place struct{ line, column int }

// advice is what to do at a place.
type advice struct {
	at  place
	fix string
}

// refuse notes an error. What is wrong with an anchor is seen each time that an alias names it, and said once.
func (r *reader) refuse(at place, reason, fix string) {
	if said := (advice{at, fix}); !r.said[said] {
		r.said[said] = true
		r.errs = append(r.errs, Error{File: r.file, Line: at.line, Column: at.column, Reason: reason, Fix: fix})
	}
}

// result is nil or the Errors found.
func (r *reader) result() error {
	if len(r.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errs, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errs
}
