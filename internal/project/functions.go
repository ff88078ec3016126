package project

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"caisson/internal/project/values"
)

// Set is the shell functions that a file defines.
type Set struct {
	names []string // sorted, each once

	// SyntaxError is why the file could not be read as bash. The names then come from a search of its lines, and may
	// be too many or too few. It is nil for a file that could be read.
	SyntaxError error
	// More is what may define further functions when the file is run ("source ./lib.sh"), "" when nothing does.
	More string
}

// Has says whether the function is in the set.
func (s Set) Has(name string) bool {
	_, ok := slices.BinarySearch(s.names, name)
	return ok
}

// Names of all functions, sorted.
func (s Set) Names() []string { return slices.Clone(s.names) }

// Nearest returns the functions that someone who wrote name may have meant.
func (s Set) Nearest(name string) []string { return values.Nearest(name, s.names) }

// Complete says that a function which is not in the set does not exist.
func (s Set) Complete() bool { return s.SyntaxError == nil && s.More == "" }

// Functions reads the names of the shell functions that a file defines, wherever in the file that is. It accepts
// whatever it can read: a file that is not bash, or that the parser does not understand, is searched line by line. An
// error is about the file, never about what is in it.
func Functions(file string) (Set, error) {
	info, err := os.Stat(file)
	if err != nil {
		return Set{}, fmt.Errorf("read functions of %s: %w", shown(file), cause(err))
	}
	if !info.Mode().IsRegular() {
		return Set{}, fmt.Errorf("read functions of %s: it is not a regular file", shown(file))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return Set{}, fmt.Errorf("read functions of %s: %w", shown(file), cause(err))
	}
	if interpreter := otherInterpreter(text); interpreter != "" {
		return Set{names: scanLines(text), More: "a program in another language (" + interpreter + ")"}, nil
	}
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(text), file)
	if err != nil {
		return Set{names: scanLines(text), SyntaxError: err}, nil
	}
	return fromSyntax(parsed), nil
}

// otherInterpreter returns the interpreter of a first line like #!/usr/bin/env python3, "" for a shell or no such line.
func otherInterpreter(text []byte) string {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	rest, ok := strings.CutPrefix(string(line), "#!")
	if !ok {
		return ""
	}
	for _, word := range strings.Fields(rest) {
		word = filepath.Base(word)
		if word == "env" || strings.HasPrefix(word, "-") || strings.Contains(word, "=") {
			continue
		}
		if strings.HasSuffix(word, "sh") {
			return ""
		}
		return word
	}
	return ""
}

// fromSyntax collects every function of the file, also one inside another function, a condition or a subshell: whether
// the shell gets there is not known before it runs.
func fromSyntax(file *syntax.File) Set {
	bodies := map[string][]syntax.Node{}
	var set Set
	syntax.Walk(file, func(node syntax.Node) bool {
		if f, ok := node.(*syntax.FuncDecl); ok && f.Name != nil {
			set.names = append(set.names, f.Name.Value)
			bodies[f.Name.Value] = append(bodies[f.Name.Value], f.Body)
		}
		return true
	})
	slices.Sort(set.names)
	set.names = slices.Compact(set.names)
	set.More = definesMore(file, bodies)
	return set
}

// definesMore returns the first command that reads further shell code while the file itself is read: outside of the
// functions, or in one that is called there. What a function reads when it is called later comes too late.
func definesMore(file *syntax.File, bodies map[string][]syntax.Node) string {
	var more string
	called := map[string]bool{}
	for todo := []syntax.Node{file}; len(todo) > 0 && more == ""; todo = todo[1:] {
		syntax.Walk(todo[0], func(node syntax.Node) bool {
			switch node := node.(type) {
			case *syntax.FuncDecl:
				return false
			case *syntax.CallExpr:
				words := literals(node.Args)
				if len(words) == 0 {
					break
				}
				switch name := words[0]; {
				case name == "source" || name == "." || name == "eval":
					if more == "" {
						more = strings.TrimSpace(strings.Join(words, " "))
					}
				case !called[name]:
					called[name] = true
					todo = append(todo, bodies[name]...)
				}
			}
			return true
		})
	}
	return more
}

// literals returns the words of a command, without the "builtin" and "command" before its name; a word that is not
// known before the shell runs is an ellipsis.
func literals(args []*syntax.Word) []string {
	var words []string
	for _, arg := range args {
		word := arg.Lit()
		if word == "" {
			word = "…"
		}
		if len(words) == 0 && (word == "builtin" || word == "command") {
			continue
		}
		words = append(words, word)
	}
	return words
}

// The two forms of a function's first line: "name()" and "function name". Bash takes nearly any word for a name.
const functionLine = "(?m)^[ \t]*(?:function[ \t]+([^\\s()<>|&;\"'$`#]+)|([^\\s()<>|&;\"'$`#=]+)[ \t]*\\([ \t]*\\))"

// scanLines compiles its pattern here and not at start: it is for few files, and every run would pay.
func scanLines(text []byte) []string {
	var names []string
	for _, match := range regexp.MustCompile(functionLine).FindAllSubmatch(text, -1) {
		names = append(names, string(match[1])+string(match[2])) // one of them is empty
	}
	slices.Sort(names)
	return slices.Compact(names)
}
