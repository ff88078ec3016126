package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Names of the bases that the stores of tests have.
const (
	Debian = "debian:bookworm" // made from the Debian mirror, 60 MB
	Tiny   = "tiny"            // a static busybox with links, 2 MB
)

// kept is the folder of what serves all tests of this mode and the next ones. In mode user it is the tester's home.
func kept() string {
	if Rootless() {
		return TesterHome()
	}
	return filepath.Join(Root(), ".build", "test")
}

// Store is the store that tests share: images that one test made are there for the next. It has both bases and lies
// below .build, so that a second run of the tests is fast. Each mode has one.
func Store(t testing.TB) string {
	t.Helper()
	dir := kept()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // test packages run at once
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	ready := filepath.Join(dir, "ready")
	if _, err := os.Stat(ready); err == nil {
		return store
	}
	Command{Dir: dir, Store: store, Args: []string{"base", "add", Tiny, TinyRoot(t)}}.Must(t)
	Command{Dir: dir, Store: store, Args: []string{"base", "add", Debian, Debian}}.Must(t)
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return store
}

// TinyRoot makes a root file system of Debian's static busybox, the one of the small base, and returns its folder.
func TinyRoot(t testing.TB) string {
	t.Helper()
	root := TempDir(t)
	for _, d := range []string{"bin", "etc", "tmp", "root", "usr/bin", "var"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	script := `set -e
cp "$(command -v busybox)" bin/busybox
for a in $(bin/busybox --list); do [ "$a" = busybox ] || ln -sf busybox "bin/$a"; done
echo root:x:0:0:root:/root:/bin/sh > etc/passwd
echo root:x:0: > etc/group`
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a root file system of busybox (package busybox-static): %v\n%s", err, out)
	}
	Give(t, Runner(), root)
	return root
}

// ColdStore is a store of this test alone, with the bases and nothing else in it.
func ColdStore(t testing.TB) string {
	t.Helper()
	shared := Store(t)
	store := filepath.Join(TempDir(t), "store")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	inherit(t, store)
	for _, dir := range []string{"bases", "payload"} {
		if out, err := exec.Command("cp", "-a", filepath.Join(shared, dir), store).CombinedOutput(); err != nil {
			t.Fatalf("copy bases: %v\n%s", err, out)
		}
	}
	return store
}
