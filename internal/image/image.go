// Package image decides whether an image has to be built. It turns a Dockerfile and its context folder into a content
// key, says in words what changed since the last build, repeats what failed for a passing reason, and remembers what a
// registry said.
//
// A caller goes through it in this order: LoadPlan reads the Dockerfile and returns what of it matters (from a cache
// when the text is known), Plan.ExternalImages names the images that must be resolved to digests, Plan.Architectures the
// foreign processors that its steps need, ComputeKey makes the key, Why explains it, SaveManifest remembers it once the
// image is built.
//
// The package is linked into the small program, so it starts nothing heavy: Dockerfiles are parsed by its sub-package
// dockerfile, which only the second program links, behind the type Planner.
//
// What the key does not cover: files behind ADD of a URL or git repository (Plan remembers them as Remote), files that
// an ONBUILD trigger of an external base copies unless the caller says KeyInput.WholeContext, owners and modification
// times (BuildKit ignores them too), extended attributes, and sockets, pipes and devices in the context.
package image

import (
	"errors"
	"fmt"
)

// formatVersion is part of every key and of every cached file; a change of what a key covers raises it.
const formatVersion = 2

// SyntaxError is a Dockerfile that cannot be read. It is never worth a second try.
type SyntaxError struct {
	File   string // as the caller named it
	Line   int    // from 1
	Reason string // one line
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason) }

// permanentError marks an error that the next try would meet again.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks err so that Retry gives up at once. Its text and what it wraps stay the same; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

func isPermanent(err error) bool {
	var marked *permanentError
	var syntax *SyntaxError
	return errors.As(err, &marked) || errors.As(err, &syntax)
}
