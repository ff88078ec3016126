package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListIsOldestFirstAndSurvivesBrokenRecords(t *testing.T) {
	dir := t.TempDir()
	var ids []string
	for i := range 6 {
		r := mustCreate(t, dir, Info{Start: time.UnixMilli(1_700_000_000_000 + int64(i))})
		if i != 2 {
			mustFinish(t, r, End{How: Exited})
		}
		ids = append(ids, r.ID())
	}
	breakIt := map[int]func(folder string) error{
		0: func(f string) error { return os.WriteFile(filepath.Join(f, statusName), []byte(`{"id":`), 0o600) },
		1: func(f string) error { return os.Remove(filepath.Join(f, statusName)) },
		3: func(f string) error {
			return os.WriteFile(filepath.Join(f, statusName), []byte(`{"id":"../../etc"}`), 0o600)
		},
		4: func(f string) error { return errors.Join(os.RemoveAll(f), os.WriteFile(f, nil, 0o600)) },
	}
	for i, do := range breakIt {
		if err := do(filepath.Join(dir, ids[i])); err != nil {
			t.Fatal(err)
		}
	}
	for _, alien := range []string{"README", "gone-x", "0123456789ABC"} {
		if err := os.WriteFile(filepath.Join(dir, alien), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []State{StateCorrupt, StateCorrupt, StateLive, StateCorrupt, StateCorrupt, StateEnded}
	got := mustList(t, dir)
	if len(got) != len(want) {
		t.Fatalf("%d entries: %+v", len(got), got)
	}
	for i, e := range got {
		if e.ID != ids[i] || e.State != want[i] || (e.Err != nil) != (want[i] == StateCorrupt) {
			t.Errorf("entry %d: %s %s %v, want %s %s", i, e.ID, e.State, e.Err, ids[i], want[i])
		}
	}
}

func TestARunsFolderThatDoesNotExistIsEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	entries, err := List(dir)
	orphans, deadErr := Dead(dir)
	live, liveErr := Live(dir, "/tree")
	_, pruneErr := Prune(dir, KeepRecords, KeepAge, KeepBytes)
	if err := errors.Join(err, deadErr, liveErr, pruneErr); err != nil || len(entries)+len(orphans)+len(live) != 0 {
		t.Fatal(err, entries, orphans, live)
	}
}

// plant makes an ended record with that id.
func plant(t testing.TB, dir, id string) {
	t.Helper()
	folder := filepath.Join(dir, id)
	s := Status{ID: id, End: &End{How: Exited}}
	data, err := s.encode()
	err = errors.Join(err, os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, statusName), data, 0o600))
	if err != nil {
		t.Fatal(err)
	}
}

func TestFindTakesEitherEndOfAnID(t *testing.T) {
	dir := t.TempDir()
	const a, b, c = "01hq3k8vd5x7r", "01hq3k8vdzx7q", "01hq4k8vdzab1"
	for _, id := range []string{a, b, c} {
		plant(t, dir, id)
	}
	for typed, want := range map[string]string{
		a: a, "01hq3k8vd5": a, "01hq4": c, "5x7r": a, "zx7q": b, "01HQ4": c, "OIhq4": c, " 01hq4\n": c, "zabl": c,
	} {
		if e, err := Find(dir, typed); err != nil || e.ID != want || e.State != StateEnded {
			t.Errorf("%q: %v %v, want %s", typed, e.ID, err, want)
		}
	}
	for typed, want := range map[string]string{
		"01hq3":            "names 2 runs (" + b + ", " + a + ")",
		"01hq":             "names 3 runs",
		"01hq5":            "did you mean " + c + ", " + b + ", " + a + "?",
		"zx7n":             "did you mean " + b + "?",
		"zzzzzzzz":         "the last ones are " + c + ", " + b + ", " + a + ")",
		"x7q":              "did you mean " + b + ", " + a + "?",
		"":                 "is no run id",
		"..":               "is no run id",
		"../" + a:          "is no run id",
		a + "/":            "is no run id",
		"/":                "is no run id",
		"live":             "no such run",
		a + "0":            "is no run id",
		"01hq3k8vd5x7\x00": "is no run id",
	} {
		e, err := Find(dir, typed)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v %v, want %q", typed, e.ID, err, want)
		}
	}
	if _, err := Find(dir, "zzzz"); !errors.Is(err, ErrNoRun) {
		t.Errorf("%v is no ErrNoRun", err)
	}
	if _, err := Find(t.TempDir(), a); !errors.Is(err, ErrNoRun) || !strings.Contains(err.Error(), "nothing has run yet") {
		t.Errorf("without records: %v", err)
	}
}

func TestOthersAreTheLiveRunsInPlaceOnTheSameTree(t *testing.T) {
	dir := t.TempDir()
	first := mustCreate(t, dir, Info{Root: "/tree", Mode: InPlace, Platform: "armv7"})
	mustCreate(t, dir, Info{Root: "/other", Mode: InPlace})
	mustCreate(t, dir, Info{Root: "/tree", Mode: "isolated"})
	mustFinish(t, mustCreate(t, dir, Info{Root: "/tree", Mode: InPlace}), End{How: Exited})
	dead := mustCreate(t, dir, Info{Root: "/tree", Mode: InPlace})
	if err := dead.Abandon(); err != nil {
		t.Fatal(err)
	}
	second := mustCreate(t, dir, Info{Root: "/tree", Mode: InPlace})
	others, err := second.Others()
	if err != nil || len(others) != 1 || others[0].ID != first.ID() || others[0].Platform != "armv7" {
		t.Fatalf("%+v %v", others, err)
	}
	for root, want := range map[string]int{"/tree": 2, "/other": 1, "/none": 0, "": 4} {
		if live, err := Live(dir, root); err != nil || len(live) != want {
			t.Fatalf("%q: %+v %v", root, live, err)
		}
	}
}

func TestNobodySeesAHalfWrittenRecordOrADeadOneThatEnds(t *testing.T) {
	dir := t.TempDir()
	done := make(chan error) // closed by the writer below
	go func() {
		defer close(done)
		for range 300 {
			r, err := Create(dir, Info{Root: "/tree", Mode: InPlace})
			if err == nil {
				err = r.Finish(End{How: Exited, Reason: strings.Repeat("r", 300)})
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		names, _ := ids(dir)
		for _, id := range names[max(0, len(names)-3):] {
			// A folder whose status is not there yet is the one thing that may be seen; it has no mark.
			if e, ok := read(dir, id); ok && e.State != StateEnded && e.State != StateLive && !unborn(e) {
				t.Fatalf("%s is %s: %v", id, e.State, e.Err)
			}
		}
		if orphans := mustDead(t, dir); len(orphans) != 0 {
			t.Fatalf("dead: %+v", orphans[0])
		}
	}
}

// unborn: the record was looked at before its client had written and locked the status.
func unborn(e Entry) bool {
	now, ok := read(filepath.Dir(e.Dir), e.ID)
	return e.State == StateCorrupt && (errors.Is(e.Err, os.ErrNotExist) || strings.Contains(e.Err.Error(), "end of JSON")) &&
		ok && now.State != StateDead
}

func TestTheLastPlatformOfATreeIsRemembered(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	roots := []string{"/a", "/a/../b", "/with \"quotes\"\nand newline/ü"}
	for i, root := range roots {
		if got := LastPlatform(dir, root); got != "" {
			t.Fatalf("%q before: %q", root, got)
		}
		for _, platform := range []string{"armv7", "armv7", string(rune('a' + i))} {
			if err := SetLastPlatform(dir, root, platform); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, root := range roots {
		if got := LastPlatform(dir, root); got != string(rune('a'+i)) {
			t.Errorf("%q: %q", root, got)
		}
	}
	if err := os.WriteFile(treePath(dir, "/a"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := LastPlatform(dir, "/a"); got != "" {
		t.Errorf("broken: %q", got)
	}
	if err := SetLastPlatform(dir, "/a", "x"); err != nil || LastPlatform(dir, "/a") != "x" {
		t.Errorf("not repaired: %v", err)
	}
}
