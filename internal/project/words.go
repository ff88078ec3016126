package project

import (
	"strconv"

	"mvdan.cc/sh/v3/syntax"
)

// shown is a path as a message has it and a shell takes it: quoted only where it must be, always on one line.
func shown(path string) string {
	quoted, err := syntax.Quote(path, syntax.LangBash)
	if err != nil {
		return strconv.Quote(path) // a NUL byte: no shell takes it
	}
	return quoted
}
