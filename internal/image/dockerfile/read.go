// Package dockerfile reads Dockerfiles with BuildKit's own parser and returns what of them a content key needs. It is
// apart from package image because it brings BuildKit with it: only the second program links it.
//
// What cannot be known from the text alone is widened, never narrowed: a source with a variable that a build argument or
// the base image may set stands for the whole context; --exclude is not applied; COPY --parents counts the whole
// top-level folder that its pattern begins with.
package dockerfile

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"caisson/internal/image"
)

// Read parses the text of a Dockerfile; name is used in errors only. Text that BuildKit would not accept is an
// *image.SyntaxError.
func Read(name string, text []byte) (image.Plan, error) {
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return image.Plan{}, syntaxError(name, err)
	}
	stages, globals, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return image.Plan{}, syntaxError(name, err)
	}
	if len(stages) == 0 {
		return image.Plan{}, &image.SyntaxError{File: name, Line: 1, Reason: "no FROM, so there is nothing to build"}
	}
	plan := image.Plan{Escape: string(parsed.EscapeToken)}
	if syntax, _, _, ok := parser.DetectSyntax(text); ok {
		plan.Syntax = syntax
	}
	r := reader{plan: &plan, lex: shell.NewLex(parsed.EscapeToken), globals: newVariables()}
	for _, command := range globals {
		r.globalArg(command)
	}
	for _, stage := range stages {
		plan.Stages = append(plan.Stages, image.Stage{Name: stage.Name})
	}
	for i, stage := range stages {
		if err := r.stage(i, stage); err != nil {
			return image.Plan{}, syntaxError(name, err)
		}
	}
	return plan, nil
}

// syntaxError takes the line and the innermost reason from an error of BuildKit.
func syntaxError(name string, err error) error {
	out := &image.SyntaxError{File: name, Line: 1, Reason: err.Error()}
	var located *parser.LocationError
	if errors.As(err, &located) {
		out.Reason = located.Unwrap().Error()
		if len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
			out.Line = max(located.Locations[0][0].Start.Line, 1)
		}
	}
	out.Reason, _, _ = strings.Cut(out.Reason, "\n")
	return out
}

// reader fills a plan.
type reader struct {
	plan    *image.Plan
	lex     *shell.Lex
	globals *variables   // of ARG before the first FROM, by their defaults
	envs    []*variables // of the stages read so far, at their ends
}

func (r *reader) globalArg(command instructions.ArgCommand) {
	for _, arg := range command.Args {
		r.plan.Args = append(r.plan.Args, image.Arg{Name: arg.Key, Default: arg.Value})
		if arg.Value == nil {
			continue
		}
		if value, known := r.expand(*arg.Value, r.globals); known {
			r.globals.set(arg.Key, value)
		} else {
			r.globals.forget(arg.Key)
		}
	}
}

// expand returns a word with its variables replaced, and whether all of them were known.
func (r *reader) expand(word string, known *variables) (string, bool) {
	result, err := r.lex.ProcessWordWithMatches(word, known)
	if err != nil || len(result.Unmatched) > 0 {
		return "", false
	}
	return result.Result, true
}

// earlier returns the stage before i that a FROM of this name means, else -1.
func (r *reader) earlier(i int, name string) int {
	for j := i - 1; j >= 0; j-- {
		if name != "" && r.plan.Stages[j].Name == name {
			return j
		}
	}
	return -1
}

// from notes a COPY --from or RUN --mount=from. A stage is meant by name, also a later one (which the build refuses), or
// by number; anything else is an image.
func (r *reader) from(s *image.Stage, name string, numbers bool) {
	if name == "" || strings.EqualFold(name, "scratch") || strings.Contains(name, "$") {
		return // BuildKit expands no variables here and says so
	}
	if index, err := strconv.Atoi(name); err == nil && numbers {
		s.Needs = appendOnce(s.Needs, index)
		return
	}
	if j := r.earlier(len(r.plan.Stages), strings.ToLower(name)); j >= 0 {
		s.Needs = appendOnce(s.Needs, j)
		return
	}
	s.Images = appendOnce(s.Images, name)
}

func appendOnce[T comparable](list []T, value T) []T {
	if slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

// variables are those whose values follow from the text alone.
type variables struct{ values map[string]string }

func newVariables() *variables { return &variables{map[string]string{}} }

func (v *variables) set(name, value string) { v.values[name] = value }
func (v *variables) forget(name string)     { delete(v.values, name) }

// Get and Keys are what BuildKit's lexer asks for.
func (v *variables) Get(name string) (string, bool) { value, ok := v.values[name]; return value, ok }

func (v *variables) Keys() []string {
	keys := make([]string, 0, len(v.values))
	for name := range v.values {
		keys = append(keys, name)
	}
	return keys
}
