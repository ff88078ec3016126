package emulator

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// foreign is an architecture whose programs this machine does not run.
func foreign() string {
	if Native("arm") {
		return "riscv64"
	}
	return "arm"
}

// find returns the emulator of the foreign architecture.
func find(t testing.TB, cacheDir string) Emulator {
	t.Helper()
	e, err := Find(cacheDir, foreign())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAnEmulatorIsFoundWithVersionAndHash(t *testing.T) {
	e := find(t, t.TempDir())
	out, err := exec.Command("sha256sum", e.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "sha256:" + strings.Fields(string(out))[0]; e.Hash != want {
		t.Errorf("the hash is %s, want %s", e.Hash, want)
	}
	if out, err = exec.Command(e.Path, "--version").Output(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), " version "+e.Version+" ") || strings.Count(e.Version, ".") != 2 {
		t.Errorf("the version is %q, the emulator says %s", e.Version, out)
	}
	if want := foreign() + " qemu " + e.Version + " " + e.Hash; e.String() != want {
		t.Errorf("it is named %q", e)
	}
}

func TestWhatIsKnownOfAnEmulatorIsNotFoundOutAgain(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "emulators")
	e := find(t, cache)
	info, err := os.Stat(e.Path)
	if err != nil {
		t.Fatal(err)
	}
	now := stampOf(info)
	if k, ok := readKnown(cache, e.Path, now); !ok || k.Version != e.Version || k.Hash != e.Hash {
		t.Fatalf("known is %+v, %t; found was %v", k, ok, e)
	}
	writeKnown(cache, e.Path, known{Stamp: now, Version: "1.2.3", Hash: "sha256:1"})
	if again := find(t, cache); again.Version != "1.2.3" {
		t.Errorf("it was asked again: %v", again)
	}
	for name, other := range map[string]stamp{
		"another file": {now.Device, now.Inode + 1, now.Size, now.Mtime, now.Ctime},
		"another size": {now.Device, now.Inode, now.Size + 1, now.Mtime, now.Ctime},
		"written anew": {now.Device, now.Inode, now.Size, now.Mtime, now.Ctime + 1},
	} {
		if k, ok := readKnown(cache, e.Path, other); ok {
			t.Errorf("%s: taken for %+v", name, k)
		}
	}
	young := now
	young.Ctime = time.Now().UnixNano()
	writeKnown(cache, e.Path, known{Stamp: young, Version: "1.2.3", Hash: "sha256:1"})
	if _, ok := readKnown(cache, e.Path, young); ok {
		t.Error("a file as young as that may still change unseen")
	}
	if err := os.WriteFile(knownPath(cache, e.Path), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := find(t, cache); again != e {
		t.Errorf("with a spoiled cache it is %v", again)
	}
}

func TestFindingNeedsNoCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := find(t, filepath.Join(file, "below")); e.Hash == "" {
		t.Errorf("found %v", e)
	}
}

func TestADynamicEmulatorIsRefusedWithWords(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "qemu-arm")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := examine(path); !errors.Is(err, errDynamic) {
		t.Errorf("a dynamic program gives %v", err)
	}
	missing := &MissingError{Arch: "arm", Program: "qemu-arm-static", Dynamic: path}
	for _, word := range []string{path, "not linked statically", "sudo apt-get install qemu-user-static"} {
		if !strings.Contains(missing.Error(), word) {
			t.Errorf("%q does not say %q", missing, word)
		}
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho qemu-arm version 1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := examine(path); err == nil || errors.Is(err, errDynamic) {
		t.Errorf("a script gives %v", err)
	}
}

func TestAMissingEmulatorIsNamedWithWhatToInstall(t *testing.T) {
	if _, err := Find(t.TempDir(), "z80"); err == nil || !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("an unknown architecture gives %v", err)
	}
	err := (&MissingError{Arch: "arm", Program: "qemu-arm-static"}).Error()
	if !strings.Contains(err, "there is no qemu-arm-static") || !strings.Contains(err, "sudo apt-get install qemu-user-static") {
		t.Errorf("the error is %q", err)
	}
}

func TestOnlyAnEmulatorThatKnowsTheFlagGetsArgv0(t *testing.T) {
	for version, want := range map[string]bool{"7.2.22": true, "6.0.0": true, "10.1": true, "5.2.0": false, "x": false, "": false} {
		if got := (Emulator{Version: version}).keepsArgv0(); got != want {
			t.Errorf("%q: %t", version, got)
		}
	}
}

func TestTheEmulatorOfThisMachinesOwnProgramsIsNotRegistered(t *testing.T) {
	err := register(t.TempDir(), Emulator{Arch: runtime.GOARCH, Path: "/usr/bin/qemu"})
	if err == nil || !strings.Contains(err.Error(), "for ever") {
		t.Errorf("it gives %v", err)
	}
}

// A cached Find is part of every run's start.
func BenchmarkFind(b *testing.B) {
	cache := b.TempDir()
	find(b, cache)
	for b.Loop() {
		find(b, cache)
	}
}
