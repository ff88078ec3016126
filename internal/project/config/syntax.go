package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document reads the one document of a file and returns what stands at its top, nil for a file that says nothing.
func (r *reader) document(text []byte) *yaml.Node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		r.refuse(place{1, 1}, "the file is UTF-16", "save it as UTF-8")
		return nil
	}
	documents, err := parse(text)
	if err != nil {
		at := stopsAt(text, err)
		reason, fix := explain(err, text, at)
		r.refuse(at, "this is not YAML: "+reason, fix)
		return nil
	}
	if len(documents) == 0 {
		return nil
	}
	if len(documents) > 1 {
		r.refuse(at(documents[1]), "a second document begins here", "keep one, without a line --- between")
		return nil
	}
	root := documents[0].Content[0]
	if isNull(root) {
		return nil
	}
	return root
}

// parse reads all documents of a text.
func parse(text []byte) (documents []*yaml.Node, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, &document)
	}
}

// searchTime bounds the search for the place of an error. Text that people write needs a few milliseconds.
const searchTime = time.Second

// stopsAt finds where a text stops being YAML: behind the longest beginning of it that is. The parser itself tells a
// line at most, and often the one where the block or the quotation around the place begins.
func stopsAt(text []byte, err error) place {
	deadline := time.Now().Add(searchTime)
	isYAML := func(end int) bool {
		_, err := parse(text[:end])
		return err == nil
	}
	start := len(text)
	for next := len(text); start > 0; next = start {
		start = bytes.LastIndexByte(text[:next-1], '\n') + 1
		if isYAML(start) {
			break
		}
		if time.Now().After(deadline) {
			return place{toldLine(err), 1}
		}
	}
	line := text[start:]
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	lines := bytes.Count(text[:start], []byte("\n")) + 1
	column := utf8.RuneCount(line) + 1
	for ; len(line) > 0 && !isYAML(start+len(line)); column-- {
		_, size := utf8.DecodeLastRune(line)
		line = line[:len(line)-size]
		if time.Now().After(deadline) {
			return place{lines, 1}
		}
	}
	return place{lines, column}
}

// toldLine is the line that an error of the parser names, 1 when it names none.
func toldLine(err error) int {
	line := 1
	if _, scanErr := fmt.Sscanf(err.Error(), "yaml: line %d:", &line); scanErr != nil {
		return 1
	}
	return line
}

// problems puts the parser's errors into words, by a part of their text. Where there is no reason the parser's own will do.
var problems = []struct{ part, reason, fix string }{
	{"mapping values are not allowed", "a colon where no key can be",
		"write one key: value a line, look at the indentation, and quote a value with a colon and a blank in it"},
	{"expected ':'", "a key without a colon", "write key: value, with a blank after the colon"},
	{"unknown anchor", "", "write &NAME before the value that *NAME repeats, further up; a value that begins with * needs quotes"},
	{"unexpected end of stream", "a quotation that does not end", "close it"},
	{"',' or", "a bracket that is not closed", "close it, or put a comma between its parts"},
	{"cannot start any token", "a character that cannot begin a value", "put the value in quotes"},
	{"alphabetic or numeric", "a character that cannot begin a value", "put the value in quotes"},
	{"control characters", "a control character", "remove it"},
	{"UTF-8", "", "save the file as UTF-8"},
	{"max depth", "", "nest less"},
	{"expected key", "a line that is not indented as the block is", "begin the keys of a block in the same column"},
	{"'-' indicator", "a line in a list that is no part of it", "begin the parts of a list in the same column, each with a hyphen"},
}

// explain says what is wrong at a place that is not YAML, and what to do.
func explain(err error, text []byte, at place) (reason, fix string) {
	if lines := strings.Split(string(text), "\n"); at.line <= len(lines) { // the parser knows more kinds of line ends
		line := lines[at.line-1]
		if indentation := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indentation, "\t") {
			return "a tab in the indentation", "indent with blanks"
		}
	}
	reason = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(reason, "line "); ok {
		if _, after, found := strings.Cut(rest, ": "); found {
			reason = after
		}
	}
	for _, known := range problems {
		if strings.Contains(reason, known.part) {
			return cmp.Or(known.reason, reason), known.fix
		}
	}
	return reason, "write keys and values, like " + platformsExample
}

func at(n *yaml.Node) place {
	if n.Kind == yaml.DocumentNode {
		n = n.Content[0]
	}
	return place{n.Line, n.Column}
}
