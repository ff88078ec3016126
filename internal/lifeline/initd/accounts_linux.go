package initd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// accounts is one of the account files: lines of fields between colons (passwd(5), group(5), shadow(5)).
type accounts struct {
	path    string
	exists  bool
	content string
}

// mostAccounts bounds what is read of an account file, in bytes: an image may have anything there.
const mostAccounts = 16 << 20

var errNoAccounts = errors.New("it is not a file of accounts")

// readAccounts takes a file that cannot be read for an empty one.
func readAccounts(path string) *accounts {
	a := &accounts{path: path}
	f, size, err := openAccounts(path, os.O_RDONLY, 0)
	if err != nil {
		return a
	}
	defer f.Close()
	if size > mostAccounts {
		return a
	}
	content, err := io.ReadAll(f)
	a.exists, a.content = err == nil, string(content)
	return a
}

// openAccounts opens a regular file only, and waits for no writer of a FIFO.
func openAccounts(path string, flags int, perm os.FileMode) (*os.File, int64, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNoAccounts
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
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
	f, size, err := openAccounts(a.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, perm)
	if err != nil {
		return err
	}
	defer f.Close()
	if size != int64(len(a.content)) {
		return errNoAccounts // too large, or another one than was read
	}
	if _, err := f.WriteString(text); err != nil {
		f.Truncate(int64(len(a.content)))
		return err
	}
	a.content += text
	return nil
}
