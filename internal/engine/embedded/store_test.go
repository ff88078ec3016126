package embedded

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"

	"golang.org/x/sys/unix"
)

func open(t *testing.T) Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStoreIsItsOwnersAlone(t *testing.T) {
	s := open(t)
	st, err := os.Stat(string(s))
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", st.Mode(), err)
	}
	if err := os.Chown(string(s), 65534, 65534); err != nil {
		t.Fatalf("this test needs root: %v", err)
	}
	if _, err := OpenStore(string(s)); err == nil || !strings.Contains(err.Error(), "--store") {
		t.Errorf("got %v, want an error that names --store", err)
	}
}

func TestADamagedRecordIsMovedAside(t *testing.T) {
	for name, damage := range map[string]func(*wire.Record) []byte{
		"cut short":                 func(*wire.Record) []byte { return []byte(`{"Key":"k","Low`) },
		"of another key":            func(r *wire.Record) []byte { r.Key = "other"; return encode(r) },
		"without layers":            func(r *wire.Record) []byte { r.Lowers = nil; return encode(r) },
		"with a layer that is gone": func(r *wire.Record) []byte { r.Lowers = []string{"buildkit/gone"}; return encode(r) },
		"with a layer outside":      func(r *wire.Record) []byte { r.Lowers = []string{"../../etc"}; return encode(r) },
		"with a broken config":      func(r *wire.Record) []byte { r.Config = json.RawMessage(`"text"`); return encode(r) },
	} {
		s := open(t)
		if err := os.WriteFile(s.record("k"), damage(&wire.Record{Key: "k", Lowers: []string{"fs"}, Config: json.RawMessage(`{}`)}), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.readRecord("k"); !errors.Is(err, engine.ErrNoImage) {
			t.Errorf("%s: got %v, want ErrNoImage", name, err)
		}
		if left, _ := filepath.Glob(s.record("k") + wire.AsideMark + "*"); len(left) != 1 {
			t.Errorf("%s: it was not moved aside", name)
		}
		if n, err := s.RemoveDamaged(); n != 1 || err != nil {
			t.Errorf("%s: removed %d, %v", name, n, err)
		}
	}
}

func TestADamagedBuildStateStaysWhileARunMayStandOnIt(t *testing.T) {
	s := open(t)
	if err := os.Mkdir(s.path("buildkit"+wire.AsideMark+"1"), 0o700); err != nil {
		t.Fatal(err)
	}
	run, err := s.newLayer("run", ended(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.RemoveDamaged(); n != 0 || err != nil {
		t.Errorf("with a run alive: removed %d, %v", n, err)
	}
	run.remove()
	if n, err := s.RemoveDamaged(); n != 1 || err != nil {
		t.Errorf("without: removed %d, %v", n, err)
	}
}

func encode(r *wire.Record) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// ended is the pid of a process that is over.
func ended(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

func TestALayerStaysWhileItsSandboxIsDying(t *testing.T) {
	s := open(t)
	dying := exec.Command("sleep", "1000")
	if err := dying.Start(); err != nil {
		t.Fatal(err)
	}
	l, err := s.newLayer("run", dying.Process.Pid, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.lock.Close()
	there := func(want bool) {
		t.Helper()
		if _, err := s.sweepLayers(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.path("fs", "run")); (err == nil) != want {
			t.Errorf("the layer is there: %v, want %v", err == nil, want)
		}
	}
	there(true)
	if err := dying.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	there(false) // before anybody has waited for it
	_ = dying.Wait()
}

func TestASweepTakesTheLayersOfDeadClientsOnly(t *testing.T) {
	s := open(t)
	live, err := s.newLayer("live", ended(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer live.remove()
	dead, err := s.newLayer("dead", ended(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead.upper(), "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the kernel does when the client dies
	if err := os.Mkdir(s.path("fs", ".half"), 0o700); err != nil {
		t.Fatal(err)
	}
	sweep := func(want map[string]bool) {
		t.Helper()
		if _, err := s.sweepLayers(); err != nil {
			t.Fatal(err)
		}
		for name, want := range want {
			if _, err := os.Stat(s.path("fs", name)); (err == nil) != want {
				t.Errorf("%s is there: %v, want %v", name, err == nil, want)
			}
		}
	}
	making, err := s.makingLayers() // somebody may be at work on the hidden one
	if err != nil {
		t.Fatal(err)
	}
	sweep(map[string]bool{"live": true, "dead": false, ".half": true})
	making.Close()
	sweep(map[string]bool{"live": true, ".half": false})
}

func TestACgroupIsRemovedWithAllBelowItAndNothingElse(t *testing.T) {
	dirs := cgroupDirs("caisson-test-"+filepath.Base(t.TempDir()), false)
	if len(dirs) == 0 {
		t.Fatal("no cgroup hierarchy is mounted")
	}
	made := 0
	for _, d := range dirs {
		if os.Mkdir(d, 0o755) == nil {
			made++
			_ = os.MkdirAll(filepath.Join(d, "a", "b"), 0o755)
		}
	}
	if made == 0 {
		t.Fatalf("no cgroup can be made in any of %v", dirs)
	}
	if removed := removeCgroups(dirs); len(removed) != made {
		t.Errorf("removed %d of %d", len(removed), made)
	}
	for _, d := range dirs {
		if err := unix.Access(d, unix.F_OK); err == nil {
			t.Errorf("%s stayed", d)
		}
	}
}

func TestALongStorePathStillHasASocket(t *testing.T) {
	s, err := OpenStore(filepath.Join(t.TempDir(), strings.Repeat("long/", 30), "store"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.listen(builderSocket)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := os.Stat(s.path(builderSocket)); err != nil {
		t.Error(err)
	}
}
