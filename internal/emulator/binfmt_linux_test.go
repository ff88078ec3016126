package emulator

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root")
	}
}

func TestAForeignProgramRunsInsideAndTheHostStaysAsItWas(t *testing.T) {
	needRoot(t)
	before := hostState(t)
	if !strings.Contains(before, "exec format error") {
		t.Fatalf("the host itself runs programs of %s, so nothing can be seen here: %s", foreign(), before)
	}
	e := find(t, t.TempDir())
	for name, c := range map[string]struct{ user, all bool }{
		"root with the identity map": {false, true}, "root alone": {false, false}, "an ordinary user": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			task := task{
				Emulators: []Emulator{e}, Path: program(t), All: c.all,
				Argv: []string{"-name given", "a b", ""}, Env: []string{"WORD=kept as it is"},
			}
			out, err := task.run(c.user)
			want := fmt.Sprintf("%s %q euid 0, WORD is %q\n", foreign(), task.Argv, "kept as it is")
			if err != nil || out != want {
				t.Errorf("it says %q, %v; want %q", out, err, want)
			}
			task.Emulators = nil
			if out, err = task.run(c.user); err == nil || !strings.Contains(out, "exec format error") {
				t.Errorf("without an emulator it says %q, %v", out, err)
			}
			if after := hostState(t); after != before {
				t.Errorf("the host was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

func TestWithoutTheFlagForArgv0AnOlderEmulatorStillGetsTheArguments(t *testing.T) {
	needRoot(t)
	e := find(t, t.TempDir())
	e.Version = "5.2.0"
	out, err := task{Emulators: []Emulator{e}, Path: program(t), Argv: []string{"name", "a b"}}.run(false)
	if want := fmt.Sprintf("%q", []string{program(t), "a b"}); err != nil || !strings.Contains(out, want) {
		t.Errorf("it says %q, %v; want %s", out, err, want)
	}
}

func TestSetuidWorksUnderAnEmulator(t *testing.T) {
	needRoot(t)
	e := find(t, t.TempDir())
	plain := program(t)
	setuid := filepath.Join(filepath.Dir(plain), "setuid")
	data, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(setuid, data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(setuid, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{plain: "euid 1000,", setuid: "euid 0,"} {
		out, err := task{Emulators: []Emulator{e}, Path: path, Argv: []string{"x"}, UID: 1000, All: true}.run(false)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%s says %q, %v; want %s", path, out, err, want)
		}
	}
}

func TestTheChosenProcessorReachesTheEmulator(t *testing.T) {
	needRoot(t)
	task := task{Emulators: []Emulator{find(t, t.TempDir())}, Path: program(t), Argv: []string{"x"}, Env: []string{"QEMU_CPU=max"}}
	if out, err := task.run(true); err != nil || !strings.HasPrefix(out, foreign()) {
		t.Errorf("with the processor max it says %q, %v", out, err)
	}
	task.Env = []string{"QEMU_CPU=no-such-processor"}
	if out, err := task.run(true); err == nil || !strings.Contains(out, "no-such-processor") {
		t.Errorf("with a processor that does not exist it says %q, %v", out, err)
	}
}

func TestTwoNamespacesHaveTablesOfTheirOwn(t *testing.T) {
	needRoot(t)
	before := hostState(t)
	e := find(t, t.TempDir())
	other := e
	other.Arch = "s390x" // by the wrong emulator: nothing of it is run here
	first, second := hold(t, e), hold(t, other)
	join := func(pid int, words ...string) (string, error) {
		out, err := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(pid), "-U", "--preserve-credentials"}, words...)...).CombinedOutput()
		return string(out), err
	}
	if out, err := join(first, program(t)); err != nil || !strings.HasPrefix(out, foreign()) {
		t.Errorf("in the first namespace the program says %q, %v", out, err)
	}
	if out, err := join(second, program(t)); err == nil {
		t.Errorf("in the second namespace the program says %q", out)
	}
	for pid, want := range map[int]string{first: "caisson-" + e.Arch, second: "caisson-s390x"} {
		if out, err := join(pid, "-m", "ls", table); err != nil || strings.Fields(out)[0] != want || strings.Count(out, "caisson-") != 1 {
			t.Errorf("the table has %q, %v; want %s", out, err, want)
		}
	}
	if after := hostState(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

func TestTheKernelTakesTheRulesOfAllArchitectures(t *testing.T) {
	needRoot(t)
	e := find(t, t.TempDir())
	var all []Emulator
	for _, f := range formats {
		if f.arch != runtime.GOARCH {
			all = append(all, Emulator{Arch: f.arch, Path: e.Path, Version: e.Version})
		}
	}
	out, err := task{Emulators: all, Path: "/bin/sh", Argv: []string{"sh", "-c", "grep -H '^flags' " + table + "/caisson-*"}}.run(true)
	if err != nil || strings.Count(out, "flags: POCF") != len(all) {
		t.Errorf("the table has %s, %v", out, err)
	}
}

func TestTheTableOfTheHostIsRefused(t *testing.T) {
	needRoot(t)
	before := hostState(t)
	if err := Register(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "host's user namespace") {
		t.Errorf("it gives %v", err)
	}
	if after := hostState(t); after != before {
		t.Errorf("the host was\n%s\nand is\n%s", before, after)
	}
}

func TestWhatCannotBeRegisteredIsNamed(t *testing.T) {
	needRoot(t)
	gone := Emulator{Arch: "s390x", Path: "/no/such/emulator", Version: "7.2"}
	out, err := task{Emulators: []Emulator{gone}, Path: "/bin/true", Argv: []string{"true"}}.run(true)
	if err == nil || !strings.Contains(out, gone.Path) || !strings.Contains(out, "no such file") {
		t.Errorf("it says %q, %v", out, err)
	}
}
