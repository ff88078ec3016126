package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counting is a planner that counts its calls and puts the text into the plan.
type counting struct {
	calls int
	err   error
}

func (c *counting) plan(_ context.Context, _ string, text []byte) (Plan, error) {
	c.calls++
	return Plan{Escape: `\`, Stages: []Stage{{Written: string(text), Args: []Arg{{Name: "A"}}}}}, c.err
}

func TestATextIsParsedOnce(t *testing.T) {
	dir := t.TempDir()
	cache, file := filepath.Join(dir, "cache"), filepath.Join(dir, "Dockerfile")
	planner := &counting{}
	load := func(text string, calls int) {
		t.Helper()
		check(t, os.WriteFile(file, []byte(text), 0o644))
		plan, got, err := LoadPlan(context.Background(), cache, file, os.ReadFile, planner.plan)
		check(t, err)
		if string(got) != text || plan.Stages[0].Written != text || planner.calls != calls {
			t.Errorf("text %q, plan %v, %d calls; want %q and %d calls", got, plan, planner.calls, text, calls)
		}
	}
	load("FROM a", 1)
	load("FROM a", 1)
	load("FROM b <&>", 2)
	load("FROM b <&>", 2)
	load("FROM a", 2)
}

func TestASpoiledPlanIsMadeAgain(t *testing.T) {
	dir := t.TempDir()
	file, text := filepath.Join(dir, "Dockerfile"), []byte("FROM a")
	check(t, os.WriteFile(file, text, 0o644))
	planner := &counting{}
	want, _, err := LoadPlan(context.Background(), dir, file, os.ReadFile, planner.plan)
	check(t, err)
	path := planPath(dir, text)
	good, err := os.ReadFile(path)
	check(t, err)
	for i := range good {
		spoiled := append([]byte(nil), good...)
		spoiled[i] ^= 1
		check(t, os.WriteFile(path, spoiled, 0o600))
		plan, _, err := LoadPlan(context.Background(), dir, file, os.ReadFile, planner.plan)
		check(t, err)
		if diff := cmp.Diff(want, plan); diff != "" {
			t.Fatalf("byte %d spoiled:\n%s", i, diff)
		}
	}
	if restored, err := os.ReadFile(path); err != nil || string(restored) != string(good) {
		t.Errorf("the file is not restored: %q, %v", restored, err)
	}
}

func TestAPlanNeedsNoCacheAndAnErrorIsNotRemembered(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "Dockerfile")
	check(t, os.WriteFile(file, []byte("FRMO a"), 0o644))
	planner := &counting{err: &SyntaxError{File: file, Line: 1, Reason: "unknown instruction"}}
	for range 2 {
		_, _, err := LoadPlan(context.Background(), dir, file, os.ReadFile, planner.plan)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != file+":1: unknown instruction" {
			t.Errorf("the error is %v", err)
		}
	}
	if planner.calls != 2 {
		t.Errorf("%d calls, want 2", planner.calls)
	}
	planner.err = nil
	if _, _, err := LoadPlan(context.Background(), filepath.Join(file, "below a file"), file, os.ReadFile, planner.plan); err != nil {
		t.Errorf("without a cache: %v", err)
	}
	if _, _, err := LoadPlan(context.Background(), dir, filepath.Join(dir, "missing"), os.ReadFile, planner.plan); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a Dockerfile: %v", err)
	}
}
