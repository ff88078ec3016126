package record

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/internal/engine"

	"github.com/google/go-cmp/cmp"
)

func mustDead(t *testing.T, dir string) []*Orphan {
	t.Helper()
	orphans, err := Dead(dir)
	if err != nil {
		t.Fatal(err)
	}
	return orphans
}

func noMarks(t *testing.T, dir string) {
	t.Helper()
	if marks, err := ids(filepath.Join(dir, liveName)); err != nil || len(marks) != 0 {
		t.Fatalf("live/ still has %v %v", marks, err)
	}
}

// kill9 starts a client, waits until its record is there and kills it.
func kill9(t *testing.T, dir string) (id string) {
	t.Helper()
	cmd := clientCommand(t, dir, false)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	id = strings.TrimSpace(line)
	if err != nil || !isID(id) {
		t.Fatalf("client said %q %v", line, err)
	}
	if e, err := Find(dir, id); err != nil || e.State != StateLive || len(mustDead(t, dir)) != 0 {
		t.Fatalf("while it lives: %s %v", e.State, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	return id
}

func TestAKilledClientIsFoundWithItsLeftoversAndMarkedOnce(t *testing.T) {
	dir := t.TempDir()
	id := kill9(t, dir)
	if e, err := Find(dir, id); err != nil || e.State != StateDead {
		t.Fatalf("%s %v", e.State, err)
	}
	orphans := mustDead(t, dir)
	if len(orphans) != 1 || orphans[0].ID != id || orphans[0].Platform != "armv7" {
		t.Fatalf("%+v", orphans)
	}
	if diff := cmp.Diff([]engine.Leftover{{Kind: "cgroup", Name: "/cgroup/" + id}}, orphans[0].Leftovers); diff != "" {
		t.Fatal(diff)
	}
	if again := mustDead(t, dir); len(again) != 0 {
		t.Fatalf("a second sweep got %+v too", again)
	}
	if err := orphans[0].Release(); err != nil {
		t.Fatal(err)
	}
	orphans = mustDead(t, dir)
	if len(orphans) != 1 {
		t.Fatalf("after a release: %+v", orphans)
	}
	if err := orphans[0].Close(); err != nil {
		t.Fatal(err)
	}
	e, err := Find(dir, id)
	if err != nil || e.State != StateEnded || e.End.How != Killed || e.End.Code != 137 || time.Since(e.End.Time) > time.Minute {
		t.Fatalf("%+v %+v %v", e, e.End, err)
	}
	noMarks(t, dir)
	if rest := mustDead(t, dir); len(rest) != 0 {
		t.Fatalf("swept twice: %+v", rest)
	}
}

func TestKillsAtRandomMomentsLeaveNothingThatASweepMisses(t *testing.T) {
	dir := t.TempDir()
	swept := 0
	for range 40 {
		cmd := clientCommand(t, dir, true)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + rand.IntN(5) { // so many records, and then any moment of the next
			if !lines.Scan() || !isID(lines.Text()) {
				t.Fatalf("client said %q", lines.Text())
			}
		}
		for deadline := time.Now().Add(time.Duration(rand.IntN(600)) * time.Microsecond); time.Now().Before(deadline); {
		}
		cmd.Process.Kill()
		cmd.Wait()
		for _, o := range mustDead(t, dir) {
			for _, l := range o.Leftovers {
				if l.Name != "/cgroup/"+o.ID {
					t.Fatalf("leftover %+v of %s", l, o.ID)
				}
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			swept++
		}
		noMarks(t, dir)
	}
	// What was noted as left over is in a record that has an end now, by its client or by the sweep.
	for _, e := range mustList(t, dir) {
		if noted, _ := readLeftovers(filepath.Join(e.Dir, eventsName)); len(noted) > 0 && e.State != StateEnded {
			t.Errorf("%s is %s (%v) and has %v", e.ID, e.State, e.Err, noted)
		}
	}
	if swept == 0 {
		t.Error("no kill hit a live record: the test proves nothing")
	}
}

// cutOff writes half an event, as a client does that dies in the middle.
func cutOff(r *Record) error {
	r.Event("x")
	_, err := r.events.WriteString(`{"time":"2026-05-04T03:02:01Z","kind":"leftover","what":"cgr`)
	return err
}

func TestDeathAtEachStepOfARecord(t *testing.T) {
	type step struct {
		name string
		do   func(t *testing.T, dir string, r *Record) // r is live and is dropped afterwards
		dead int
		end  How // "" is none, or no record
	}
	leftover := func(t *testing.T, r *Record) {
		if err := r.Leftover("folder", "/upper"); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []step{
		{"before the mark is made", func(t *testing.T, dir string, r *Record) { unmark(dir, r.ID()) }, 0, ""},
		{"after the mark", func(*testing.T, string, *Record) {}, 1, Killed},
		{"in the middle of noting a leftover", func(t *testing.T, _ string, r *Record) {
			leftover(t, r)
			if err := cutOff(r); err != nil {
				t.Fatal(err)
			}
		}, 1, Killed},
		{"between the end and the removal of the mark", func(t *testing.T, dir string, r *Record) {
			r.status.End = &End{How: Exited}
			if err := r.status.write(r.file); err != nil {
				t.Fatal(err)
			}
		}, 0, Exited},
		{"in the middle of writing the end over the status", func(t *testing.T, _ string, r *Record) {
			leftover(t, r)
			if err := os.Truncate(r.path(statusName), 10); err != nil {
				t.Fatal(err)
			}
		}, 1, Killed},
		{"and then the record is removed by hand", func(t *testing.T, _ string, r *Record) { os.RemoveAll(r.Dir()) }, 0, ""},
	} {
		t.Run(s.name, func(t *testing.T) {
			dir := t.TempDir()
			r := mustCreate(t, dir, Info{})
			s.do(t, dir, r)
			r.Abandon()
			orphans := mustDead(t, dir)
			if len(orphans) != s.dead {
				t.Fatalf("%d dead: %+v", len(orphans), orphans)
			}
			for _, o := range orphans {
				if err := o.Close(); err != nil {
					t.Fatal(err)
				}
			}
			noMarks(t, dir)
			if s.end == "" {
				return
			}
			if e, err := Find(dir, r.ID()); err != nil || e.End == nil || e.End.How != s.end {
				t.Fatalf("%+v %v", e, err)
			}
		})
	}
}

func TestRecordsOfAnotherMachineAreLeftToIt(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		boot, host string
		dead       int
	}{
		"another machine":                  {"another boot", "another name", 0},
		"this machine before it restarted": {"another boot", "", 1},
		"a container on this machine":      {bootID(), "another name", 1},
	} {
		r := mustCreate(t, dir, Info{Hostname: c.host})
		r.status.Boot = c.boot
		if err := r.status.write(r.file); err != nil {
			t.Fatal(err)
		}
		r.Abandon()
		orphans := mustDead(t, dir)
		if len(orphans) != c.dead {
			t.Errorf("%s: %d dead", name, len(orphans))
		}
		for _, o := range orphans {
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPruneKeepsWhatItPromises(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	type run struct {
		age   time.Duration
		bytes int64
		how   string // "ended", "live", "dead", "dead with leftovers", "half made"
	}
	for name, c := range map[string]struct {
		runs []run  // the oldest first
		want string // their indices
	}{
		"by number":                       {[]run{{age: 5}, {age: 4}, {age: 3}, {age: 2}}, "1 2 3"},
		"by age":                          {[]run{{age: 40 * day}, {age: 31 * day}, {age: 29 * day}}, "2"},
		"by bytes":                        {[]run{{3, 10, ""}, {2, 60, ""}, {1, 41, ""}}, "2"},
		"the newest whatever its size":    {[]run{{age: 1, bytes: 1000}}, "0"},
		"never a live one":                {[]run{{40 * day, 500, "live"}, {39 * day, 1, ""}, {1, 1, ""}}, "0 2"},
		"a dead one, not its leftovers":   {[]run{{40 * day, 1, "dead"}, {39 * day, 1, "dead with leftovers"}}, "1"},
		"not one that is just being made": {[]run{{age: 40 * day, how: "half made"}, {age: 39 * day}}, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			index := map[string]int{}
			for i, run := range c.runs {
				r := mustCreate(t, dir, Info{Start: now.Add(-run.age * 1)})
				index[r.ID()] = i
				if run.age < day { // the ids of one millisecond have no order
					rename(t, dir, r, newID(now.Add(-run.age*time.Duration(time.Second))), index)
				}
				if err := os.WriteFile(r.path(logName), make([]byte, run.bytes), 0o600); err != nil {
					t.Fatal(err)
				}
				finishAs(t, r, run.how)
			}
			removed, err := Prune(dir, 3, 30*day, 100)
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			left, _ := ids(dir)
			for _, id := range left {
				kept = append(kept, fmt.Sprint(index[id]))
			}
			if got := strings.Join(kept, " "); got != c.want || removed != len(c.runs)-len(kept) {
				t.Fatalf("kept %s, want %s; removed %d", got, c.want, removed)
			}
		})
	}
}

// rename gives a record another id, that is another start.
func rename(t *testing.T, dir string, r *Record, id string, index map[string]int) {
	t.Helper()
	index[id] = index[r.ID()]
	if err := os.Rename(r.Dir(), filepath.Join(dir, id)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(livePath(dir, r.ID()), livePath(dir, id)); err != nil {
		t.Fatal(err)
	}
	r.status.ID = id
}

func finishAs(t *testing.T, r *Record, how string) {
	t.Helper()
	switch how {
	case "":
		mustFinish(t, r, End{How: Exited})
	case "dead with leftovers":
		if err := r.Leftover("folder", "/upper"); err != nil {
			t.Fatal(err)
		}
		r.Abandon()
	case "dead":
		r.Abandon()
	case "half made":
		r.Abandon()
		for _, name := range []string{statusName, logName} {
			os.Remove(r.path(name))
		}
	}
}

func TestPruneFinishesWhatAKilledOneBegan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a[b]*", "runs")
	half := filepath.Join(dir, gone+newID(time.Now()))
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := SetLastPlatform(dir, "/old", "x"); err != nil {
		t.Fatal(err)
	}
	if err := SetLastPlatform(dir, "/new", "x"); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * KeepAge)
	if err := os.Chtimes(treePath(dir, "/old"), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := Prune(dir, KeepRecords, KeepAge, KeepBytes); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(half); !os.IsNotExist(err) {
		t.Errorf("half a record is still there: %v", err)
	}
	if LastPlatform(dir, "/old") != "" || LastPlatform(dir, "/new") != "x" {
		t.Error("trees are not pruned by age")
	}
}
