package image

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestRetry(t *testing.T) {
	passing := errors.New("registry is busy")
	syntax := &SyntaxError{File: "Dockerfile", Line: 3, Reason: "unknown instruction: RNU"}
	for _, test := range []struct {
		name  string
		tries int
		errs  []error // of the calls, in order; then success
		calls int
		waits string
		want  error
	}{
		{"a success needs one call", 3, nil, 1, "", nil},
		{"a failure is tried again after a growing wait", 5, []error{passing, passing, passing}, 4, "1s 2s 4s", nil},
		{"the last failure is returned", 3, []error{passing, passing, passing, passing}, 3, "1s 2s", passing},
		{"one try is one try", 1, []error{passing}, 1, "", passing},
		{"no tries are one try", 0, []error{passing}, 1, "", passing},
		{"a syntax error is not tried again", 5, []error{fmt.Errorf("plan: %w", syntax)}, 1, "", syntax},
		{"a permanent error is not tried again", 5, []error{fmt.Errorf("build: %w", Permanent(passing))}, 1, "", passing},
		{"a permanent error after a passing one ends it", 5, []error{passing, Permanent(passing)}, 2, "1s", passing},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			var waits, notes []string
			wait := func(_ context.Context, d time.Duration) error { waits = append(waits, d.String()); return nil }
			note := func(line string) { notes = append(notes, line) }
			err := Retry(context.Background(), test.tries, wait, note, func(context.Context) error {
				calls++
				if calls <= len(test.errs) {
					return test.errs[calls-1]
				}
				return nil
			})
			if calls != test.calls || strings.Join(waits, " ") != test.waits || len(notes) != len(waits) {
				t.Errorf("%d calls, waits %q, notes %q; want %d calls, waits %s", calls, waits, notes, test.calls, test.waits)
			}
			if !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
}

func TestRetryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	err := Retry(ctx, 5, nil, nil, func(context.Context) error { calls++; cancel(); return errors.New("cut off") })
	if calls != 1 || err == nil || err.Error() != "cut off" {
		t.Errorf("cancelled in a call: %d calls, %v", calls, err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	// The real wait ends with the context, long before its second is over.
	err = Retry(ctx, 5, nil, func(string) { cancel() }, func(context.Context) error { return errors.New("cut off") })
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("cancelled in a wait: %v", err)
	}
}

func TestPermanentKeepsTextAndCause(t *testing.T) {
	cause := errors.New("no such image")
	if err := Permanent(cause); err.Error() != cause.Error() || !errors.Is(err, cause) {
		t.Errorf("permanent error is %v", err)
	}
	if Permanent(nil) != nil {
		t.Error("a permanent nil is an error")
	}
}
