package foreign

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// hostState is what the machine has of binfmt_misc: its entries, where it is mounted, and what comes of a foreign program.
func hostState(t *testing.T, foreign string) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/sys/fs/binfmt_misc")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	for _, mounts := range []string{"/proc/1/mounts", "/proc/self/mounts"} {
		for _, l := range lines(t, mounts) {
			if strings.Contains(l, "binfmt_misc") {
				all = append(all, l)
			}
		}
	}
	return strings.Join(append(all, fmt.Sprint(exec.Command(foreign).Run())), "\n")
}

// within is how soon all has to be gone after a client died, beside the other mode's tests on few processors; test/faults
// measures it.
const within = 2 * time.Second

const longStep = "FROM %s\nRUN echo the step runs; sleep 1000 & setsid sleep 1001 & trap '' TERM HUP INT; while :; do sleep 1002; done\n"

const longRun = "echo the run runs; sleep 1000 & setsid sleep 1001 & trap '' TERM HUP INT; while :; do sleep 1002; done"

func TestTheHostIsUntouchedAndNothingIsLeftWhenTheClientIsKilled(t *testing.T) {
	harness.ForeignStore(t)
	tr := newTree(t, "killed", map[string]string{"ci/docker/Dockerfile.build.step": longStep})
	tr.Store = harness.ColdStore(t)
	tr.Must(t, "-p", "armv7", "cp", "/bin/true", "/work/build/foreign")
	host := func() string { return hostState(t, tr.File("build/foreign")) }
	before, mounts := host(), strings.Join(lines(t, "/proc/self/mountinfo"), "\n")
	mark := "CAISSON_MARK=" + filepath.Base(filepath.Dir(filepath.Dir(tr.Store)))
	for what, args := range map[string][]string{
		"a step": {"-p", "step", "-b", "--output", "plain"},
		"a run":  {"-p", "armv7", "-e", mark, "--", "sh", "-c", longRun},
	} {
		t.Run(what, func(t *testing.T) {
			c := tr.With(mark).Command(args...)
			cmd := begin(t, c, what[2:]+" runs\n")
			equal(t, host(), before)
			if len(traces(t, tr.Store, mark, mounts)) == 0 {
				t.Error("the test does not find what runs")
			}
			killed := time.Now()
			_ = cmd.Process.Kill()
			var left []string
			gone := harness.Eventually(time.Until(killed.Add(within)), func() bool {
				left = traces(t, tr.Store, mark, mounts)
				return len(left) == 0
			})
			if !gone {
				t.Errorf("left %s after the kill:\n%s", within, strings.Join(left, "\n"))
			}
			equal(t, host(), before)
			tr.Must(t, "-p", "armv7", "true")
			if layers, _ := os.ReadDir(filepath.Join(tr.Store, "fs")); len(layers) > 0 {
				t.Errorf("layer left of a run: %v", layers)
			}
		})
	}
}

// begin starts a command and returns when it has printed a line. It does not outlive the test.
func begin(t *testing.T, c harness.Command, line string) *exec.Cmd {
	t.Helper()
	var out harness.Buffer
	cmd := c.Cmd(context.Background(), t)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-gone
	})
	ended := func() bool {
		select {
		case <-gone:
			return true
		default:
			return false
		}
	}
	harness.Eventually(2*time.Minute, func() bool { return strings.Contains(out.String(), line) || ended() })
	if !strings.Contains(out.String(), line) || ended() {
		t.Fatalf("it ended, or did not say %q:\n%s", line, out.String())
	}
	return cmd
}

// traces are processes that carry the mark or have mounts of the store, and mounts that were not there at first, but for
// those below folders of other tests.
func traces(t *testing.T, store, mark, mounts string) []string {
	t.Helper()
	found := harness.Processes(t, mark)
	all, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		if b, _ := os.ReadFile(file); bytes.Contains(b, []byte(store+"/")) { // gone meanwhile, or a zombie, which has none
			found = append(found, filepath.Base(filepath.Dir(file)))
		}
	}
	for _, l := range lines(t, "/proc/self/mountinfo") {
		others := strings.HasPrefix(strings.Fields(l)[4], os.TempDir()) && !strings.Contains(l, store)
		if !others && !strings.Contains(mounts, l) {
			found = append(found, l)
		}
	}
	return found
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
