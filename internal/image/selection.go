package image

import (
	"errors"
	"path"
	"strings"
)

// pattern is a source path, split at its slashes. An empty one is the whole context.
type pattern []component

// component of a pattern matches one name.
type component struct {
	text    string
	literal bool
}

func (c component) matches(name string) bool {
	if c.text == name {
		return true
	}
	if c.literal {
		return false
	}
	ok, _ := path.Match(c.text, name)
	return ok
}

// parsePattern reads a source as BuildKit does: relative to the context whatever it starts with, ".." stays inside. A
// wildcard that cannot be read stands for the whole context; the build will report it.
func parsePattern(s Source) pattern {
	clean := strings.TrimPrefix(path.Join("/", s.Path), "/")
	if clean == "" {
		return nil
	}
	if !s.Literal {
		if _, err := path.Match(clean, ""); errors.Is(err, path.ErrBadPattern) {
			return nil
		}
	}
	return literalPattern(clean, s.Literal)
}

func literalPattern(clean string, literal bool) pattern {
	var p pattern
	for text := range strings.SplitSeq(clean, "/") {
		p = append(p, component{text, literal})
	}
	return p
}

// String is different for different patterns.
func (p pattern) String() string {
	var b strings.Builder
	for _, c := range p {
		if c.literal {
			b.WriteString("=")
		}
		b.WriteString(c.text)
		b.WriteString("/")
	}
	return b.String()
}

// through is the pattern by which a source goes on behind a link: rest below the place that the link at the path names.
// BuildKit keeps links inside the context.
func (p pattern) through(link, target string) pattern {
	if !path.IsAbs(target) {
		target = path.Join("/", path.Dir(link), target)
	}
	clean := strings.TrimPrefix(path.Join("/", target), "/")
	if clean == "" {
		return p
	}
	return append(literalPattern(clean, true), p...)
}

// selection is what is wanted of one folder: the patterns that are left there. whole wants everything.
type selection struct {
	whole    bool
	patterns []pattern
}

func newSelection(patterns []pattern) selection {
	for _, p := range patterns {
		if len(p) == 0 {
			return selection{whole: true}
		}
	}
	return selection{patterns: patterns}
}

// match says what is wanted of an entry: itself (used), and what below it. rests are the ways on, one for each pattern
// that matches, for the case that the entry is a link.
func (s selection) match(name string) (used bool, rests []pattern) {
	for _, p := range s.patterns {
		if p[0].matches(name) {
			rests = append(rests, p[1:])
			used = used || len(p) == 1
		}
	}
	return used, rests
}
