package image

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// readIgnore returns the patterns of <Dockerfile>.dockerignore where there is one, else of the context's .dockerignore.
// https://docs.docker.com/build/concepts/context/#dockerignore-files
func readIgnore(contextDir, dockerfile string) ([]string, error) {
	for _, path := range []string{dockerfile + ".dockerignore", filepath.Join(contextDir, ".dockerignore")} {
		text, err := ReadRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read ignore file: %w", err)
		}
		patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
		if err == nil {
			_, err = patternmatcher.New(patterns)
		}
		if err != nil {
			return nil, fmt.Errorf("read ignore file %s: %w", path, err)
		}
		return patterns, nil
	}
	return nil, nil
}

// ignorer applies ignore patterns on the way down a tree. It is not safe for concurrent use: each goroutine has its own.
type ignorer struct {
	matcher *patternmatcher.PatternMatcher // nil ignores nothing
	// below are the fixed beginnings of the exceptions (!), each with a slash at its end, "" where an exception begins
	// with a wildcard.
	below []string
}

func newIgnorer(patterns []string) (*ignorer, error) {
	if len(patterns) == 0 {
		return &ignorer{}, nil
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, fmt.Errorf("read ignore patterns: %w", err)
	}
	ig := &ignorer{matcher: matcher}
	for _, p := range matcher.Patterns() {
		if !p.Exclusion() {
			continue
		}
		fixed := p.String()
		if i := strings.IndexAny(fixed, `*[]?^\`); i >= 0 {
			fixed = fixed[:i]
			fixed = fixed[:strings.LastIndexByte(fixed, '/')+1]
		} else {
			fixed += "/"
		}
		ig.below = append(ig.below, fixed)
	}
	return ig, nil
}

// match says whether a path is ignored. parent is what match returned for its folder, and what is returned is for the
// entries below it.
func (ig *ignorer) match(path string, parent patternmatcher.MatchInfo) (bool, patternmatcher.MatchInfo, error) {
	if ig.matcher == nil {
		return false, patternmatcher.MatchInfo{}, nil
	}
	ignored, info, err := ig.matcher.MatchesUsingParentResults(path, parent)
	if err != nil {
		return false, info, fmt.Errorf("match ignore patterns: %w", err)
	}
	return ignored, info, nil
}

// mayHold says whether an exception can bring back something below an ignored folder.
func (ig *ignorer) mayHold(folder string) bool {
	folder += "/"
	for _, fixed := range ig.below {
		if strings.HasPrefix(fixed, folder) || strings.HasPrefix(folder, fixed) {
			return true
		}
	}
	return false
}
