package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// stubborn says "ready", and "asked" when it is asked to end, which it does not.
const stubborn = `trap 'echo asked' TERM INT HUP; echo ready; while :; do sleep 0.1; done`

func TestASignalEndsTheCommandAndIsInTheExitStatus(t *testing.T) {
	tr := newTree(t, nil)
	for _, c := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGHUP, 129}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			l := tr.start(t, "-p", "tiny", "sh", "-c", "echo ready; sleep 1000")
			l.expect(t, "ready")
			start := time.Now()
			harness.Signal(t, l.cmd, c.signal)
			code, _, took := l.wait(t, start)
			if code != c.code {
				t.Errorf("status %d, want %d", code, c.code)
			}
			within(t, took, 0, 500*time.Millisecond)
			contains(t, l.said(), fmt.Sprintf("ended by signal %d", int(c.signal)), "caisson logs ")
		})
	}
}

func TestASignalEndsAnImageBuild(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.slow": "FROM tiny\nRUN echo at work; sleep 1000\n"})
	l := tr.start(t, "--output", "json", "-p", "slow", "true")
	if !harness.Eventually(patience, func() bool { return strings.Contains(l.said(), `"text":"at work`) }) {
		t.Fatalf("the build does not get there\n%s", l.said())
	}
	start := time.Now()
	harness.Signal(t, l.cmd, syscall.SIGINT)
	code, out, took := l.wait(t, start)
	if code != 130 || out != "" {
		t.Errorf("status %d, output %q\n%s", code, out, l.said())
	}
	within(t, took, 0, 2*time.Second)
}

// within checks how long something took.
func within(t *testing.T, took, least, most time.Duration) {
	t.Helper()
	t.Logf("it took %s", took)
	if took < least || took > most {
		t.Errorf("it took %s, want %s to %s", took, least, most)
	}
}

func TestSleepEndsWithinHalfASecondOfAnInterrupt(t *testing.T) {
	tr := newTree(t, nil)
	t.Run("sent to caisson", func(t *testing.T) {
		// PID 1 of the container, if it were the command itself, would hear no signal that it does not handle.
		l := tr.start(t, "-p", "tiny", "sh", "-c", "echo ready; exec sleep 1000")
		l.expect(t, "ready")
		start := time.Now()
		harness.Signal(t, l.cmd, syscall.SIGINT)
		code, _, took := l.wait(t, start)
		if code != 130 {
			t.Errorf("status %d", code)
		}
		within(t, took, 0, 500*time.Millisecond)
	})
	t.Run("typed on a terminal", func(t *testing.T) {
		term := tr.startTerminal(t, "-p", "tiny", "sh", "-c", "echo ready; exec sleep 1000")
		term.expect("ready")
		start := time.Now()
		term.keys("\x03")
		code, took := term.wait(start)
		if code != 130 {
			t.Errorf("status %d\n%s", code, term.text())
		}
		within(t, took, 0, 500*time.Millisecond)
	})
	t.Run("before it begins", func(t *testing.T) {
		l := tr.start(t, "-p", "tiny", "sleep", "1000")
		// From the moment when the run is known, and not only when its command is.
		if !harness.Eventually(patience, func() bool { return strings.Contains(tr.must(t, "ps"), tr.Root) }) {
			t.Fatal("the run is not in ps")
		}
		start := time.Now()
		harness.Signal(t, l.cmd, syscall.SIGINT)
		code, _, took := l.wait(t, start)
		if code != 130 {
			t.Errorf("status %d", code)
		}
		within(t, took, 0, time.Second)
	})
}

func TestATimeLimitEndsTheCommandWithStatus124(t *testing.T) {
	tr := newTree(t, nil)
	tr.must(t, "-p", "tiny", "-b")
	r := tr.run(t, "-p", "tiny", "--timeout", "1s", "sleep", "1000")
	if r.Code != 124 {
		t.Errorf("status %d\n%s", r.Code, r.Stderr)
	}
	within(t, r.Took, time.Second, 2*time.Second)
	contains(t, r.Stderr, "ended by its time limit", "caisson logs ")

	if r := tr.run(t, "-p", "tiny", "--timeout", "1m", "sh", "-c", "exit 3"); r.Code != 3 {
		t.Errorf("a command within its limit: status %d\n%s", r.Code, r.Stderr)
	}
}

func TestACommandThatIgnoresTermDiesAfterTheGracePeriod(t *testing.T) {
	tr := newTree(t, nil)
	for _, c := range []struct {
		name        string
		env, args   []string
		interrupt   bool
		code        int
		least, most time.Duration
	}{
		{"of 3 seconds", nil, nil, true, 130, 3 * time.Second, 3700 * time.Millisecond},
		{"of DOCKER_STOP_TIMEOUT", []string{"DOCKER_STOP_TIMEOUT=1"}, nil, true, 130, time.Second, 1700 * time.Millisecond},
		{"of no length", []string{"DOCKER_STOP_TIMEOUT=0"}, nil, true, 130, 0, 700 * time.Millisecond},
		{"after its time limit", []string{"DOCKER_STOP_TIMEOUT=1"}, []string{"--timeout", "2s"}, false, 124, time.Second, 4 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"-p", "tiny"}, c.args...)
			l := tr.with(c.env...).start(t, append(args, "sh", "-c", stubborn)...)
			l.expect(t, "ready")
			start := time.Now()
			if c.interrupt {
				harness.Signal(t, l.cmd, syscall.SIGINT)
			}
			code, _, took := l.wait(t, start)
			if code != c.code {
				t.Errorf("status %d, want %d\n%s", code, c.code, l.said())
			}
			within(t, took, c.least, c.most)
		})
	}
}

func TestTheWholeProcessGroupIsAskedToEndAndHasTimeForIt(t *testing.T) {
	tr := newTree(t, nil)
	const script = `
for i in 1 2; do
	sh -c 'trap "sleep 0.5; echo clean $0 >> /work/build/ends; exit" TERM; echo ready $0; while :; do sleep 0.1; done' $i &
done
trap 'wait; wait; exit 9' TERM
wait`
	l := tr.start(t, "-p", "tiny", "sh", "-c", script)
	for range 2 {
		if _, err := l.stdout.ReadString('\n'); err != nil {
			t.Fatal(err, l.said())
		}
	}
	harness.Signal(t, l.cmd, syscall.SIGTERM)
	if code, _, _ := l.wait(t, time.Now()); code != 143 {
		t.Errorf("status %d", code)
	}
	b, err := os.ReadFile(filepath.Join(tr.Root, "build", "ends"))
	if err != nil || strings.Count(string(b), "clean") != 2 {
		t.Errorf("not all processes could clean up: %q %v", b, err)
	}
}

func TestASecondInterruptKillsAtOnce(t *testing.T) {
	tr := newTree(t, nil).with("DOCKER_STOP_TIMEOUT=60")
	l := tr.start(t, "-p", "tiny", "sh", "-c", stubborn)
	l.expect(t, "ready")
	harness.Signal(t, l.cmd, syscall.SIGINT)
	l.expect(t, "asked")
	start := time.Now()
	harness.Signal(t, l.cmd, syscall.SIGINT)
	code, _, took := l.wait(t, start)
	if code != 130 {
		t.Errorf("status %d", code)
	}
	within(t, took, 0, 500*time.Millisecond)
}

const slowMakefile = `
targets := $(foreach n,1 2 3 4 5 6 7 8,out/$(n))
all: $(targets)
$(targets): | out
	@for i in $$(seq 1 $(if $(filter 1 2,$(notdir $@)),3,40)); do echo line $$i; sleep 0.05; done > $@; echo end >> $@
out:
	@mkdir $@
`

func TestAnInterruptedMakeLeavesNoTruncatedTarget(t *testing.T) {
	for _, c := range []struct{ name, makefile string }{
		{"plain", slowMakefile},
		{"with .DELETE_ON_ERROR", slowMakefile + ".DELETE_ON_ERROR:\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tools": tools, "Makefile": c.makefile})
			tr.must(t, "-p", "tools", "-b")
			l := tr.start(t, "-p", "tools", "make", "-j4", "-C", "/work/demo")
			if !harness.Eventually(patience, func() bool {
				whole, truncated := targets(t, tr)
				return truncated > 0 && whole+truncated > 4 // of the first four at least one is done with
			}) {
				t.Fatalf("make does not get there\n%s", l.said())
			}
			start := time.Now()
			harness.Signal(t, l.cmd, syscall.SIGINT)
			code, out, took := l.wait(t, start)
			if code != 130 {
				t.Errorf("status %d\n%s", code, l.said())
			}
			within(t, took, 0, 2*time.Second)
			whole, truncated := targets(t, tr)
			if truncated > 0 || whole == 0 {
				t.Errorf("%d whole and %d truncated targets are left\n%s%s", whole, truncated, out, l.said())
			}
			tr.must(t, "-p", "tools", "make", "-j8", "-C", "/work/demo")
			if whole, truncated := targets(t, tr); truncated > 0 || whole != 8 {
				t.Errorf("after the next make %d whole and %d truncated targets", whole, truncated)
			}
		})
	}
}

func targets(t *testing.T, tr tree) (whole, truncated int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(tr.Root, "out", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if os.IsNotExist(err) { // make has removed it just now
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(b), "end\n") {
			whole++
		} else {
			truncated++
		}
	}
	return whole, truncated
}
