//go:build linux

package ascaller

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

const nobody, nogroup = 65534, 65534

// needRoot: taking on another identity is root's work, and what this package is for.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test takes on another user's rights: run it as root")
	}
}

// open returns a temporary folder that everybody may enter.
func open(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFoldersMadeBelongToTheCaller(t *testing.T) {
	needRoot(t)
	dir := open(t)
	if err := os.Chown(dir, nobody, nogroup); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(dir, "made")
	if err := Do(nobody, nogroup, nil, func() error { return os.Mkdir(made, 0o700) }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(made)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != nobody || st.Gid != nogroup {
		t.Fatalf("owner is %d:%d", st.Uid, st.Gid)
	}
}

func TestTheCallerCannotDoWhatOnlyRootMay(t *testing.T) {
	needRoot(t)
	dir := open(t)
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := Do(nobody, nogroup, nil, func() error { _, err := os.ReadFile(secret); return err })
	if !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("reading root's file as nobody: %v", err)
	}
	if _, err := os.ReadFile(secret); err != nil {
		t.Fatalf("root's rights did not come back: %v", err)
	}
}

func TestFurtherGroupsCount(t *testing.T) {
	needRoot(t)
	const group = 4242
	shared := filepath.Join(open(t), "shared")
	if err := os.WriteFile(shared, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(shared, 0, group); err != nil {
		t.Fatal(err)
	}
	read := func() error { _, err := os.ReadFile(shared); return err }
	if err := Do(nobody, nogroup, []int{group}, read); err != nil {
		t.Fatalf("as a member: %v", err)
	}
	if err := Do(nobody, nogroup, nil, read); !errors.Is(err, fs.ErrPermission) {
		t.Fatalf("as no member: %v", err)
	}
}

func TestNothingChangesForRootItself(t *testing.T) {
	want := errors.New("f's own")
	if err := Do(os.Geteuid(), os.Getegid(), nil, func() error { return want }); err != want {
		t.Fatalf("got %v", err)
	}
}
