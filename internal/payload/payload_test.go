package payload

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestAProgramIsUnpackedOnceByItsContent(t *testing.T) {
	dir := t.TempDir()
	first, err := Unpack(dir, Runc)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Unpack(dir, Runc)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(second)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || !os.SameFile(before, after) {
		t.Errorf("it was unpacked again: %s, %s", first, second)
	}
	out, err := exec.Command(second, "--version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "libseccomp") {
		t.Errorf("runc --version: %v\n%s(a runc without seccomp runs containers without a filter)", err, out)
	}
}

func TestAProgramOfTheWrongSizeIsReplaced(t *testing.T) {
	dir := t.TempDir()
	path, err := Unpack(dir, Init)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(dir, Init); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Size() < 1<<20 {
		t.Errorf("it was left cut short: %v, %v", st, err)
	}
}

func TestManyCallersUnpackAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			path, err := Unpack(dir, Init)
			if err != nil {
				t.Error(err)
				return
			}
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o555 {
				t.Errorf("%v, %v", st, err)
			}
		})
	}
	wg.Wait()
	left, err := filepath.Glob(filepath.Join(dir, "*", ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("half-written files stayed: %v, %v", left, err)
	}
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(dir, Init); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("got %v, want an error that names %s", err, dir)
	}
}
