package image

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// errForm is a substitution that only BuildKit's own lexer knows (${x#y}, ${x%y}, ${x/y/z}).
var errForm = errors.New("only $NAME, ${NAME} and ${NAME} with -, +, ?, :-, :+ or :? can be expanded here")

// expand replaces variables in one word and removes quotes, as the Dockerfile reference says for FROM. An unset variable
// is empty. lookup returns a variable's value and whether it is set.
func expand(word string, escape rune, lookup func(string) (string, bool)) (string, error) {
	x := expansion{rest: word, escape: escape, lookup: lookup}
	out, err := x.until(0)
	if err != nil {
		return "", fmt.Errorf("expand %q: %w", word, err)
	}
	return out, nil
}

const endOfWord = rune(-1)

// expansion is the state of one call of expand.
type expansion struct {
	rest   string
	escape rune
	lookup func(string) (string, bool)
}

func (x *expansion) peek() rune {
	if x.rest == "" {
		return endOfWord
	}
	r, _ := utf8.DecodeRuneInString(x.rest)
	return r
}

func (x *expansion) next() rune {
	if x.rest == "" {
		return endOfWord
	}
	r, size := utf8.DecodeRuneInString(x.rest)
	x.rest = x.rest[size:]
	return r
}

// until expands up to stop and takes it; stop 0 is the end of the word.
func (x *expansion) until(stop rune) (string, error) {
	var out strings.Builder
	for {
		r := x.next()
		switch {
		case r == endOfWord && stop == 0:
			return out.String(), nil
		case r == endOfWord:
			return "", fmt.Errorf("missing %q", string(stop))
		case r == stop:
			return out.String(), nil
		case r == x.escape:
			if r = x.next(); r != endOfWord {
				out.WriteRune(r)
			}
		case r == '\'':
			quoted, rest, ok := strings.Cut(x.rest, "'")
			if !ok {
				return "", errors.New("missing closing single quote")
			}
			out.WriteString(quoted)
			x.rest = rest
		case r == '"':
			if err := x.doubleQuoted(&out); err != nil {
				return "", err
			}
		case r == '$':
			if err := x.variable(&out); err != nil {
				return "", err
			}
		default:
			out.WriteRune(r)
		}
	}
}

func (x *expansion) doubleQuoted(out *strings.Builder) error {
	for {
		r := x.next()
		switch {
		case r == endOfWord:
			return errors.New("missing closing double quote")
		case r == '"':
			return nil
		case r == '$':
			if err := x.variable(out); err != nil {
				return err
			}
		case r == x.escape:
			next := x.peek()
			if next == '"' || next == '$' || next == x.escape {
				r = x.next()
			} else if next == endOfWord {
				continue
			}
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
}

// variable expands what follows a dollar sign.
func (x *expansion) variable(out *strings.Builder) error {
	if x.peek() != '{' {
		name := x.name()
		if name == "" {
			out.WriteByte('$')
			return nil
		}
		value, _ := x.lookup(name)
		out.WriteString(value)
		return nil
	}
	x.next()
	name := x.name()
	if name == "" {
		return errors.New("bad substitution")
	}
	value, set := x.lookup(name)
	operator := x.next()
	if operator == '}' {
		out.WriteString(value)
		return nil
	}
	if operator == ':' {
		set = set && value != ""
		operator = x.next()
	}
	if operator == endOfWord || !strings.ContainsRune("-+?", operator) {
		return errForm
	}
	word, err := x.until('}')
	if err != nil {
		return err
	}
	switch {
	case operator == '?' && !set:
		return fmt.Errorf("%s is not set: %s", name, word)
	case operator == '-' && !set, operator == '+' && set:
		out.WriteString(word)
	case operator != '+':
		out.WriteString(value)
	}
	return nil
}

// name takes a variable's name: a word, a number, or one special character.
func (x *expansion) name() string {
	first := x.peek()
	if first != endOfWord && strings.ContainsRune("@*#?-$!", first) {
		return string(x.next())
	}
	in := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
	if unicode.IsDigit(first) {
		in = unicode.IsDigit
	}
	end := strings.IndexFunc(x.rest, func(r rune) bool { return !in(r) })
	if end < 0 {
		end = len(x.rest)
	}
	name := x.rest[:end]
	x.rest = x.rest[end:]
	return name
}
