package values

import (
	"path/filepath"
	"strings"
	"unicode"
)

// Secret is where the value of a secret of an image build comes from. The value itself is nowhere in it. Exactly one of
// Path and Env is set, or neither as long as [Secret.From] has not decided.
type Secret struct {
	ID       string // what RUN --mount=type=secret,id=… calls it
	Path     string // a file with the value
	Env      string // a variable of the caller with the value
	Optional bool   // it may be missing: the build then goes without it
	// OfProject: caisson.yaml names it, and not the caller, with whose rights it is read.
	OfProject bool
}

// From decides where a secret comes from, as docker build does: a variable with the name of the ID where there is one,
// else a file of that name. A relative path is one below dir.
// Source: https://docs.docker.com/reference/cli/docker/buildx/build/#secret
func (s Secret) From(dir string, getenv func(string) (string, bool)) Secret {
	if s.Path == "" && s.Env == "" {
		if _, ok := getenv(s.ID); ok {
			s.Env = s.ID
			return s
		}
		s.Path = s.ID
	}
	if s.Path != "" && !filepath.IsAbs(s.Path) {
		s.Path = filepath.Join(dir, s.Path)
	}
	return s
}

// SecretID checks the name of a secret. What is refused is not shown: it may be the secret itself, in the wrong place.
func SecretID(id string) *Refusal {
	const hint = "give it a name that the Dockerfile uses: RUN --mount=type=secret,id=NAME"
	odd := func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(`=,"'`, r) }
	switch {
	case id == "":
		return refuse(hint, "a secret without an ID")
	case strings.Contains(id, "/") || id == "." || id == "..":
		return refuse(hint, "the ID of a secret is the name of a file in /run/secrets, and no path")
	case strings.ContainsFunc(id, odd):
		return refuse(hint, "the ID of a secret has no blanks, quotes, commas and equals signs")
	}
	return nil
}
