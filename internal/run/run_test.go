package run

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"caisson/internal/engine"
	"caisson/internal/run/record"
)

func TestHowARunEndsDecidesItsStatus(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(context.Background())
	cancel(&Interrupted{Signal: syscall.SIGTERM})
	live := context.Background()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		status engine.ExitStatus
		err    error
		code   int
		how    record.How
	}{
		{"the command's own status", live, engine.ExitStatus{Code: 7}, nil, 7, record.Exited},
		{"a signal to the command", live, engine.ExitStatus{Code: 139, Signal: 11}, nil, 139, record.Exited},
		{"a signal to caisson wins over the command's status", interrupted, engine.ExitStatus{Code: 2}, context.Cause(interrupted), 143, record.Signal},
		{"a signal to caisson wins over an error that it caused", interrupted, engine.ExitStatus{}, errors.New("gone"), 143, record.Signal},
		{"the time limit", live, engine.ExitStatus{}, fmt.Errorf("run: %w", errTimeout), 124, record.Timeout},
		{"not found", live, engine.ExitStatus{}, &engine.StartError{NotFound: true}, 127, record.FailedToStart},
		{"not executable", live, engine.ExitStatus{}, &engine.StartError{}, 126, record.FailedToStart},
		{"the engine failed", live, engine.ExitStatus{}, errors.New("no space"), 125, record.FailedToStart},
	} {
		if code, how := classify(c.ctx, c.status, c.err); code != c.code || how != c.how {
			t.Errorf("%s: got %d, %s; want %d, %s", c.name, code, how, c.code, c.how)
		}
	}
}

func TestAHostNameIsWhatRFC1123Allows(t *testing.T) {
	long := "a123456789012345678901234567890123456789012345678901234567890123456789"
	for platform, want := range map[string]string{
		"armv7": "armv7", "ubuntu_cpu": "ubuntu-cpu", "test.arm_qemu": "test-arm-qemu", "Big": "big", "_x_": "x", "é": "caisson", long: long[:63],
	} {
		if got := hostname(platform); got != want {
			t.Errorf("hostname(%q) = %q, want %q", platform, got, want)
		}
	}
}

func TestTheGracePeriodIsDockersVariable(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": DefaultGrace, "10": 10 * time.Second, "0.5": 500 * time.Millisecond, "0": 0, "-1": DefaultGrace, "soon": DefaultGrace,
	} {
		t.Setenv("DOCKER_STOP_TIMEOUT", value)
		if got := grace(); got != want {
			t.Errorf("DOCKER_STOP_TIMEOUT=%q: got %s, want %s", value, got, want)
		}
	}
}

func TestTheFirstSignalCancelsAndTheSecondKills(t *testing.T) {
	in := CatchSignals(context.Background())
	defer in.Stop()
	raise := func() {
		if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	raise()
	<-in.Context.Done()
	if code, ok := SignalStatus(context.Cause(in.Context)); !ok || code != 129 {
		t.Errorf("got status %d, %v; want 129", code, ok)
	}
	select {
	case <-in.Kill:
		t.Fatal("one signal kills already")
	default:
	}
	raise()
	<-in.Kill
}
