package embedded

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"caisson/internal/engine"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// aCgroup is a folder as cgroup v2 shows it.
type aCgroup struct {
	controllers, enabled string
	closed               bool   // to its user
	processes            string // as cgroup.procs lists them
	kind                 string // "" is domain
}

// cgroupTree makes folders that look like cgroups, for an ordinary user.
func cgroupTree(t *testing.T, cgroups map[string]aCgroup) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, c := range cgroups {
		dir := filepath.Join(root, path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{
			"cgroup.procs": c.processes, "cgroup.controllers": c.controllers + "\n", "cgroup.subtree_control": c.enabled + "\n",
		}
		if path != "/" {
			files["cgroup.type"] = cmp.Or(c.kind, "domain") + "\n"
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if !c.closed {
				own(t, filepath.Join(dir, name))
			}
		}
		if !c.closed {
			own(t, dir)
		}
	}
	return root
}

const ordinary = 54321

func own(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, ordinary, ordinary); err != nil {
		t.Fatal(err)
	}
}

// asOrdinary calls f on a thread of an ordinary user, which ends with it.
func asOrdinary(t *testing.T, f func()) {
	t.Helper()
	failed := make(chan unix.Errno)
	go func() {
		runtime.LockOSThread() // never unlocked
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ordinary, ordinary, ordinary); errno != 0 {
			failed <- errno
			return
		}
		f()
		close(failed)
	}()
	if errno, ok := <-failed; ok {
		t.Fatalf("become an ordinary user: %v", errno)
	}
}

func TestTheParentOfARunsCgroupIsTheNearestThatCanGiveLimits(t *testing.T) {
	const all = "cpu memory pids"
	top := aCgroup{controllers: all, enabled: all, closed: true, processes: "1\n"}
	for name, c := range map[string]struct {
		cgroups   map[string]aCgroup
		own       string
		want, err string
		written   string // to the parent's cgroup.subtree_control
	}{
		"its own, where all are enabled already": {
			cgroups: map[string]aCgroup{"/": {controllers: all, enabled: all}, "/a": {controllers: all, enabled: "io memory pids"}},
			own:     "/a", want: "/a",
		},
		"its own, where what is missing can be enabled": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, enabled: "pids"}},
			own:     "/a", want: "/a", written: "+memory",
		},
		"the one above, where its own has no controllers": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all}, "/a/b": {}},
			own:     "/a/b", want: "/a", written: "+memory +pids",
		},
		"the one above, where its own has processes": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, enabled: all}, "/a/b": {controllers: all, processes: "7\n"}},
			own:     "/a/b", want: "/a",
		},
		"the topmost, which may have processes": {
			cgroups: map[string]aCgroup{"/": {controllers: all, enabled: all, processes: "1\n"}, "/a": {controllers: all, processes: "7\n"}},
			own:     "/a", want: "/",
		},
		"the one above, where its own belongs to somebody else": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, enabled: all}, "/a/b": {controllers: all, enabled: all, closed: true}},
			own:     "/a/b", want: "/a",
		},
		"none, where nothing is delegated": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, enabled: all, closed: true}},
			own:     "/a", err: "no cgroup can be made in ROOT/a: permission denied",
		},
		"none, where a controller is not delegated": {
			cgroups: map[string]aCgroup{"/": {controllers: all, enabled: "memory", closed: true}, "/a": {controllers: "memory"}},
			own:     "/a", err: "ROOT/a has no controller for pids",
		},
		"none, where processes lie in the delegated one": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, processes: "7\n"}},
			own:     "/a", err: "ROOT/a has processes of its own, so cgroups in it cannot have limits",
		},
		"none, where it is for threads": {
			cgroups: map[string]aCgroup{"/": top, "/a": {controllers: all, kind: "domain threaded"}},
			own:     "/a", err: "ROOT/a is for threads (domain threaded), so cgroups in it cannot have limits",
		},
		"none, where its own is not there": {
			cgroups: map[string]aCgroup{"/": top},
			own:     "/gone", err: "no cgroup can be made in ROOT/gone: no such file or directory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := cgroupTree(t, c.cgroups)
			var parent string
			var err error
			asOrdinary(t, func() { parent, err = parentFor(root, c.own, []string{"memory", "pids"}) })
			said := ""
			if err != nil {
				said = strings.ReplaceAll(err.Error(), strings.TrimSuffix(root, "/"), "ROOT")
			}
			if parent != c.want || said != c.err {
				t.Errorf("%q, %q; want %q, %q", parent, said, c.want, c.err)
			}
			if c.written == "" {
				return
			}
			text, err := os.ReadFile(filepath.Join(root, parent, "cgroup.subtree_control"))
			if err != nil || string(text) != c.written {
				t.Errorf("written: %q, %v; want %q", text, err, c.written)
			}
		})
	}
}

func TestALimitThatCannotBeHadNamesItsFlagsAndWhatToDo(t *testing.T) {
	err := error(&limitsError{engine.Limits{Memory: 1, PIDs: 1}, "the reason", "the next step"})
	if want := "--memory, --pids: the reason; the next step"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

func TestLimitsAreWrittenAsTheKernelCountsThem(t *testing.T) {
	for _, c := range []struct {
		cpus  float64
		quota int64
	}{{0.5, 50_000}, {1.5, 150_000}, {0.01, 1000}, {0.001, 1000}, {64, 6_400_000}} {
		var r specs.LinuxResources
		limitResources(engine.Limits{CPUs: c.cpus}, &r)
		if r.CPU == nil || *r.CPU.Quota != c.quota || *r.CPU.Period != cpuPeriod || r.Memory != nil || r.Pids != nil {
			t.Errorf("%v processors: %+v", c.cpus, r)
		}
	}
	var r specs.LinuxResources
	limitResources(engine.Limits{Memory: 64 << 20, PIDs: 20}, &r)
	if *r.Memory.Limit != 64<<20 || r.Memory.Swap != nil && *r.Memory.Swap != 64<<20 || *r.Pids.Limit != 20+initThreads || r.CPU != nil {
		t.Errorf("memory and processes: %+v", r)
	}
}
