package cli

import (
	"os"
	"path/filepath"
	"testing"

	"caisson/internal/run/record"
	"caisson/internal/term"
)

func TestOldRecordsAreDroppedOnceThereAreAQuarterMoreThanAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	s := &session{term: term.New(os.Stderr, term.Plain)}
	add := func(n int) {
		t.Helper()
		for range n {
			r, err := record.Create(dir, record.Info{})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Finish(record.End{}); err != nil {
				t.Fatal(err)
			}
		}
		s.pruneRecords(dir)
	}
	count := func() int {
		t.Helper()
		all, err := record.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	few := record.KeepRecords + 10
	add(few)
	if got := count(); got != few {
		t.Errorf("%d of %d records are left, want all", got, few)
	}
	add(record.KeepRecords / 2)
	if got := count(); got != record.KeepRecords {
		t.Errorf("%d records are left, want %d", got, record.KeepRecords)
	}
}
