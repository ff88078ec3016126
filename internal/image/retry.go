package image

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Retry calls f up to tries times (at least once) and waits 1, 2, 4 … seconds between two calls. It gives up at once
// when ctx is done, on a *SyntaxError and on an error marked by Permanent, and then returns the error of f as it is;
// after the last of several tries it says how many there were. wait sleeps and returns an error when ctx ends first;
// nil waits for real. note gets one line before each wait; nil is silent.
func Retry(ctx context.Context, tries int, wait func(context.Context, time.Duration) error, note func(string),
	f func(context.Context) error,
) error {
	if wait == nil {
		wait = sleep
	}
	pause := time.Second
	for try := 1; ; try++ {
		err := f(ctx)
		switch {
		case err == nil, ctx.Err() != nil, isPermanent(err), tries <= 1:
			return err
		case try >= tries:
			return fmt.Errorf("gave up after %d tries: %w", try, err)
		}
		if note != nil {
			reason, _, _ := strings.Cut(err.Error(), "\n")
			note(fmt.Sprintf("try %d of %d failed (%s), next in %s", try, tries, reason, pause))
		}
		if waitErr := wait(ctx, pause); waitErr != nil {
			return fmt.Errorf("%w while waiting to try again after: %w", waitErr, err)
		}
		pause *= 2
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
