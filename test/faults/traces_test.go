package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// traces are what clients of one store leave on the machine. The store is the test's own, so that whatever names it
// is of this test: others may be at work on the same machine.
type traces struct {
	t      testing.TB
	store  string
	mark   string // NAME=VALUE in the environment of clients and of their containers
	mounts []string
	nics   []string
	builds map[string]bool // cgroups of builders that were seen
}

// watch remembers the machine as it is before anything starts.
func watch(t testing.TB, store string) *traces {
	t.Helper()
	tr := &traces{t: t, store: store, mark: "CAISSON_MARK=" + filepath.Base(filepath.Dir(filepath.Dir(store))), builds: map[string]bool{}}
	tr.mounts, tr.nics = lines(t, "/proc/self/mountinfo"), interfaces(t)
	t.Cleanup(func() { // whatever the test found, the next one starts clean
		if left := tr.processes(); t.Failed() {
			t.Logf("processes at the end: %q", left)
		}
	})
	return tr
}

// within is how soon all has to be gone after the last client died. The short form runs beside the other mode's tests, on
// few processors.
var within = map[bool]time.Duration{true: time.Second, false: 2 * time.Second}[full()]

// mustGo waits until no process, mount or network interface is left and returns how long it took.
func (tr *traces) mustGo(since time.Time, what string) time.Duration {
	tr.t.Helper()
	var left []string
	gone := harness.Eventually(time.Until(since.Add(within)), func() bool {
		left = append(append(tr.processes(), tr.newMounts()...), tr.newInterfaces()...)
		return len(left) == 0
	})
	if took := time.Since(since); gone {
		return took
	}
	cleared := harness.Eventually(20*time.Second, func() bool { return len(tr.processes()) == 0 })
	tr.t.Errorf("%s: left after %s (gone after %s: %v):\n  %s", what, within, time.Since(since).Round(time.Millisecond), cleared,
		strings.Join(left, "\n  "))
	return time.Since(since)
}

// processes that name the store or carry the mark: in their environment, their command line, or their mounts, as every
// process inside of a sandbox does. The list names each.
func (tr *traces) processes() []string {
	tr.t.Helper()
	es, err := os.ReadDir("/proc")
	if err != nil {
		tr.t.Fatal(err)
	}
	var found []string
	for _, e := range es {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, file := range []string{"environ", "cmdline", "mountinfo"} {
			b, _ := os.ReadFile(filepath.Join("/proc", e.Name(), file)) // gone meanwhile, or a zombie, which has none
			if bytes.Contains(b, []byte(tr.store+"\x00")) || bytes.Contains(b, []byte(tr.store+"/")) || bytes.Contains(b, []byte(tr.mark)) {
				found = append(found, fmt.Sprintf("process %d (%s, by its %s)", pid, commandOf(pid), file))
				break
			}
		}
	}
	return found
}

func commandOf(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.TrimSpace(string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
}

// newMounts are mounts that were not there at first, but for those that other tests make below their own folders.
func (tr *traces) newMounts() (added []string) {
	tr.t.Helper()
	for _, l := range lines(tr.t, "/proc/self/mountinfo") {
		f := strings.Fields(l)
		others := strings.HasPrefix(f[4], os.TempDir()) && !strings.Contains(l, tr.store)
		if !others && !slices.Contains(tr.mounts, l) {
			added = append(added, "mount "+l)
		}
	}
	return added
}

func (tr *traces) newInterfaces() (added []string) {
	tr.t.Helper()
	for _, n := range interfaces(tr.t) {
		if !slices.Contains(tr.nics, n) {
			added = append(added, "network interface "+n)
		}
	}
	return added
}

// noteBuilder remembers the cgroup of the builder that runs, if one does: the file that names it is emptied later.
func (tr *traces) noteBuilder() bool {
	b, _ := os.ReadFile(filepath.Join(tr.store, "builder.alive"))
	if len(b) > 0 {
		tr.builds[string(b)] = true
	}
	return len(b) > 0
}

// mustBeSwept checks that after a further command there is no cgroup of a run or a builder of this store and no layer
// of a run.
func (tr *traces) mustBeSwept() {
	tr.t.Helper()
	ours := map[string]bool{}
	for id := range tr.runs() {
		ours["caisson-"+id] = true
	}
	for name := range tr.builds {
		ours[name] = true
	}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && ours[d.Name()] { // others' cgroups come and go
			tr.t.Errorf("cgroup left: %s", path)
		}
		return nil
	})
	for _, name := range names(tr.t, filepath.Join(tr.store, "fs")) {
		tr.t.Errorf("layer of a run left: fs/%s", name)
	}
}

// ending is what is read of a run's record.
type ending struct {
	How  string `json:"how"`
	Code int    `json:"code"`
}

// runs are the records of this store's runs by id; nil is one without an end.
func (tr *traces) runs() map[string]*ending {
	tr.t.Helper()
	all := map[string]*ending{}
	files, err := filepath.Glob(filepath.Join(tr.store, "runs", "*", "status.json"))
	if err != nil {
		tr.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && len(b) == 0 {
			continue // a client that died over making its record
		}
		var status struct{ End *ending }
		if err == nil {
			err = json.Unmarshal(b, &status)
		}
		if err != nil {
			tr.t.Errorf("record %s: %v", f, err)
		}
		all[filepath.Base(filepath.Dir(f))] = status.End
	}
	return all
}

func names(t testing.TB, dir string) (all []string) {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range es {
		all = append(all, e.Name())
	}
	return all
}

func interfaces(t testing.TB) []string { return names(t, "/sys/class/net") }

func lines(t testing.TB, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}
