package initd

import (
	"os"
	"path/filepath"
	"strings"
)

// accounts is one of the account files: lines of fields between colons (passwd(5), group(5), shadow(5)).
type accounts struct {
	path    string
	exists  bool
	content string
}

// readAccounts takes a file that cannot be read for an empty one.
func readAccounts(path string) *accounts {
	content, err := os.ReadFile(path)
	return &accounts{path: path, exists: err == nil, content: string(content)}
}

// find returns the fields of the first line whose field n is value, or nil.
func (a *accounts) find(n int, value string) []string {
	for line := range strings.SplitSeq(a.content, "\n") {
		fields := strings.Split(line, ":")
		if len(fields) > n && fields[0] != "" && fields[n] == value {
			return fields
		}
	}
	return nil
}

// add appends a line, or leaves the file as it was: a last line without a newline is completed first, and a line for
// which the disk has no room is taken back. A missing file is made with mode perm.
func (a *accounts) add(perm os.FileMode, line string) error {
	text := line + "\n"
	if a.content != "" && !strings.HasSuffix(a.content, "\n") {
		text = "\n" + text
	}
	if err := os.MkdirAll(filepath.Dir(a.path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		f.Truncate(int64(len(a.content)))
		return err
	}
	a.content += text
	return nil
}
