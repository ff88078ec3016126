package harness

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Armhf is a base of Debian for 32-bit ARM processors, 52 MB.
const Armhf = "bookworm-armhf"

// ForeignStore is the shared store with the base Armhf in it. Its cold copies have it too.
func ForeignStore(t testing.TB) string {
	t.Helper()
	store := Store(t)
	unlock := lockFile(t, filepath.Join(kept(), "lock"))
	defer unlock()
	ready := filepath.Join(kept(), "ready-armhf")
	if _, err := os.Stat(ready); err == nil {
		return store
	}
	layout := filepath.Join(TempDir(t), "layout") // the kept one may lie where others cannot go
	copyTree(t, ForeignLayout(t), layout)
	Give(t, Runner(), layout)
	Command{Store: store, Args: []string{"base", "add", Armhf, layout}}.Must(t)
	if err := os.WriteFile(ready, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return store
}

// ForeignLayout is an OCI layout with the base Armhf. It serves both modes and the next tests. Where it is missing an
// ordinary user makes it, which takes about 4 minutes: all programs of the base's own run emulated.
func ForeignLayout(t testing.TB) string {
	t.Helper()
	layout := filepath.Join(Root(), ".build", "test", "armhf")
	unlock := lockFile(t, layout+".lock")
	if _, err := os.Stat(layout); err == nil {
		unlock()
		return layout
	}
	if !Rootless() {
		unlock() // the ordinary user is there in the other mode only
		again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+foreignMaker+"$")
		again.Env = append(os.Environ(), modeVariable+"=user")
		out, err := again.CombinedOutput()
		if _, missing := os.Stat(layout); err != nil || missing != nil {
			t.Fatalf("an ordinary user could not make the base %s by %s: %v\n%s", Armhf, foreignMaker, err, out)
		}
		return layout
	}
	defer unlock()
	store := filepath.Join(TempDir(t), "store")
	Command{Store: store, Args: []string{"base", "add", Armhf, Debian + "/armhf"}}.Must(t)
	part := layout + ".part"
	if err := os.RemoveAll(part); err != nil {
		t.Fatal(err)
	}
	copyTree(t, filepath.Join(store, "bases"), part)
	if err := os.Rename(part, layout); err != nil {
		t.Fatal(err)
	}
	return layout
}

// foreignMaker is the test of package foreign that calls ForeignLayout in mode user.
const foreignMaker = "TestAnOrdinaryUserMakesABaseForAForeignProcessor"

func lockFile(t testing.TB, path string) (unlock func()) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { lock.Close() }
}

func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy a base: %v\n%s", err, bytes.TrimSpace(out))
	}
}
