package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func mustCreate(t testing.TB, dir string, info Info) *Record {
	t.Helper()
	r, err := Create(dir, info)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Abandon() }) // closing twice only returns an error
	return r
}

func mustFinish(t testing.TB, r *Record, end End) {
	t.Helper()
	if err := r.Finish(end); err != nil {
		t.Fatal(err)
	}
}

func mustList(t *testing.T, dir string) []Entry {
	t.Helper()
	entries, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestARecordTellsWhatRanAndHowItEnded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "runs") // made when missing
	start := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	info := Info{Project: "tensor", Root: "/src/tensor", Platform: "armv7", Image: "tensorci/build.armv7",
		Command: []string{"make", "-j 4", "a\nb"}, Mode: InPlace, Build: "/src/tensor/build", User: "1000:1000", Start: start}
	r := mustCreate(t, dir, info)
	if got := mustList(t, dir)[0]; got.State != StateLive || got.End != nil {
		t.Fatalf("before the end: %+v", got)
	}
	fmt.Fprint(r.Log(), "one\n")
	fmt.Fprint(r.Log(), "two")
	r.Event("image", "key", "abc", "cached", true, "took", 1500*time.Millisecond, "err", errors.New("e"), "kind", 1, "odd")
	end := End{Time: start.Add(time.Minute), Code: 130, Signal: 2, How: Signal}
	mustFinish(t, r, end)

	got := mustList(t, dir)[0]
	info.PID, info.Boot = os.Getpid(), bootID()
	info.Hostname, _ = os.Hostname()
	want := Entry{Status: Status{ID: r.ID(), Info: info, End: &end}, Dir: r.Dir(), State: StateEnded}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if log, _ := os.ReadFile(got.LogPath()); string(log) != "one\ntwo" {
		t.Fatalf("log: %q", log)
	}
	events, _ := os.ReadFile(got.EventsPath())
	line, isLine := strings.CutSuffix(string(events), "\n")
	_, fields, _ := strings.Cut(line, `,"kind"`)
	if fields != `:"image","key":"abc","cached":true,"took":1.5,"err":"e","field_kind":1,"odd":null}` || !isLine {
		t.Fatalf("events: %q", events)
	}
	var event struct{ Time time.Time }
	if err := json.Unmarshal(events, &event); err != nil || time.Since(event.Time) > time.Minute {
		t.Fatalf("event: %v %v", event, err)
	}
}

func TestOnlyTheOwnerMayReadARecord(t *testing.T) {
	r := mustCreate(t, filepath.Join(t.TempDir(), "runs"), Info{})
	r.Event("x")
	fmt.Fprintln(r.Log(), "x")
	for _, name := range []string{"", logName, statusName, eventsName} {
		info, err := os.Stat(filepath.Join(r.Dir(), name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v %v", name, info, err)
		}
	}
}

func TestClientsAtOnceGetDifferentIDs(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	const clients, each = 8, 25
	errs := make(chan error, clients*each) // never blocks; read after all are done
	now := time.Now()
	for range clients {
		wg.Go(func() {
			for range each {
				r, err := Create(dir, Info{Start: now}) // all in the same millisecond
				if err == nil {
					err = r.Finish(End{How: Exited})
				}
				errs <- err
			}
		})
	}
	wg.Wait()
	for range clients * each {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if n := len(mustList(t, dir)); n != clients*each {
		t.Fatalf("%d records", n)
	}
}

func TestIDsSortByTimeAndAreSafeInAFileName(t *testing.T) {
	old := ""
	for _, when := range []int64{0, 1, 31, 32, 1 << 20, 1_700_000_000_000, 1_700_000_000_001, 1<<45 - 1} {
		id := newID(time.UnixMilli(when))
		if !isID(id) || id <= old || idTime(id).UnixMilli() != when {
			t.Fatalf("%d: id %q after %q, time %v", when, id, old, idTime(id).UnixMilli())
		}
		old = id
	}
	for _, bad := range []string{"", "..", "live", "../../../etc/p", "0123456789ab", "0123456789abcd", "0123456789ABC", "0123456789ab/"} {
		if isID(bad) {
			t.Errorf("%q is an id", bad)
		}
	}
}

func TestCreateSaysWhatToDoWhereItCannotWrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"a file": file, "below a file": filepath.Join(file, "runs"), "no such device": "/proc/runs"} {
		_, err := Create(dir, Info{})
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "choose another state folder") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFailedCreateLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, liveName), nil, 0o600); err != nil { // the mark cannot be made
		t.Fatal(err)
	}
	if r, err := Create(dir, Info{}); err == nil {
		t.Fatalf("made %s", r.ID())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatalf("left: %v", entries)
	}
}

func TestAFullDiskDoesNotBreakTheRun(t *testing.T) {
	dir := t.TempDir()
	r := mustCreate(t, dir, Info{})
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.log = full
	for range 2 {
		if n, err := r.Log().Write([]byte("hello")); n != 5 || err != nil {
			t.Fatalf("the writer saw %d, %v", n, err)
		}
	}
	r.Event("goes nowhere")
	err = r.Finish(End{How: Exited, Code: 3})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "write the log of run "+r.ID()) {
		t.Fatalf("Finish: %v", err)
	}
	got := mustList(t, dir)[0]
	if got.State != StateEnded || got.End.Code != 3 || !strings.Contains(got.Incomplete, "no space left") {
		t.Fatalf("%+v", got)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	r := mustCreate(t, t.TempDir(), Info{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				fmt.Fprintf(r.Log(), "%s\n", strings.Repeat(string(rune('a'+i)), 200))
				r.Event("e", "v", strings.Repeat("x", 300))
			}
		})
	}
	wg.Wait()
	mustFinish(t, r, End{How: Exited})
	log, _ := os.ReadFile(filepath.Join(r.Dir(), logName))
	lines := strings.Split(strings.TrimSuffix(string(log), "\n"), "\n")
	for _, line := range lines {
		if len(line) != 200 || strings.Trim(line, line[:1]) != "" {
			t.Fatalf("mixed line %q", line)
		}
	}
	events, _ := os.ReadFile(filepath.Join(r.Dir(), eventsName))
	if n := strings.Count(string(events), "\n"); len(lines) != 800 || n != 800 {
		t.Fatalf("%d lines, %d events", len(lines), n)
	}
	for line := range strings.Lines(string(events)) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("event %q", line)
		}
	}
}
