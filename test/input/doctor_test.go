package input

import (
	"bytes"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"

	"caisson/test/harness"
)

// architecture as images name it.
const architecture = runtime.GOARCH

var checks = []string{"rights", "kernel", "seccomp", "devices", "programs", "store", "sandbox", "network", "mmdebstrap"}

func TestDoctorShowsEachCheckAndTheEngine(t *testing.T) {
	tr := newTree(t, nil)
	out := tr.must(t, "doctor").Stdout
	for _, name := range checks {
		if !regexp.MustCompile(`(?m)^ok  ` + name + ` +\S`).MatchString(out) {
			t.Errorf("there is no good line about %s:\n%s", name, out)
		}
	}
	says(t, out, "runc ", "caisson-engine ", tr.store+", ", " GB free", "this machine's network", "runs work as uid 0, gid 0",
		"\nengine: embedded, since ")
	says(t, tr.owned(t).must(t, "doctor").Stdout, "runs work as uid 54321, gid 54322")
}

func TestDoctorSaysWhatIsMissingAndTheNextStep(t *testing.T) {
	t.Run("a program", func(t *testing.T) {
		out := newTree(t, nil).with("PATH=/nowhere").must(t, "doctor").Stdout
		says(t, out, "--  mmdebstrap", "-> apt-get install mmdebstrap", "engine: embedded")
	})
	t.Run("a place for the store", func(t *testing.T) {
		tr := newTree(t, nil)
		dir := t.TempDir()
		readOnly(t, dir)
		tr.store = filepath.Join(dir, "store")
		r := tr.command("doctor").Run(t)
		if r.Code != 125 {
			t.Errorf("status %d, want 125", r.Code)
		}
		says(t, r.Stdout, "NO  store", "-> name another folder with --store or CAISSON_STORE", "engine: none")
	})
	t.Run("the right of root", func(t *testing.T) {
		r := asOrdinaryUser(t, "doctor")
		if r.Code != 125 {
			t.Errorf("status %d, want 125", r.Code)
		}
		says(t, r.Stdout, "NO  rights", "-> run it by sudo", "runs work as uid 54321, gid 54322", "engine: none")
		says(t, r.Stderr, "caisson: this machine cannot run caisson yet")
	})
}

func TestAnOrdinaryUserIsToldToUseSudo(t *testing.T) {
	tr := newTree(t, nil)
	refusal(t, asOrdinaryUser(t, "-C", tr.root, "-p", "tiny"), "needs root for now", "sudo caisson")
	if r := asOrdinaryUser(t, "-C", tr.root, "-l"); r.Code != 0 || r.Stdout != "tiny\n" {
		t.Errorf("the list of platforms: status %d, %q", r.Code, r.Stdout)
	}
}

// asOrdinaryUser runs a command without root's rights, on a copy of the program that everybody can reach.
func asOrdinaryUser(t *testing.T, args ...string) harness.Result {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "caisson")
	open(t, bin)
	program(t, "cp", harness.Caisson(t), bin)
	cmd := harness.Command{Dir: "/", Store: filepath.Join(dir, "store"), Args: args}.Cmd(t.Context(), t)
	cmd.Path = bin
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: callerUID, Gid: callerGID}}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("start caisson: %v", err)
	}
	return harness.Result{Stdout: out.String(), Stderr: errs.String(), Code: cmd.ProcessState.ExitCode()}
}
