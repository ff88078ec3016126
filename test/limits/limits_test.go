package limits

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// useMemory is a command that fills 200 MB of memory.
const useMemory = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null"

// peak is what is said of the most memory that a run with a limit of 64 MiB used.
var peak = regexp.MustCompile(`\(limit 64 MiB, peak (\d+) MiB\)`)

func TestAProcessThatIsEndedForWantOfMemoryIsToldOf(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, nil)
	for _, c := range []struct {
		name, flag string
		command    []string
		code       int
	}{
		{"the command itself", "--memory=64m", []string{"sh", "-c", "exec " + useMemory}, 137},
		{"a child, and the command fails", "--memory=64M", []string{"sh", "-c", useMemory + " || exit 3"}, 3},
		{"while the command goes on", "--memory=65536k", []string{"sh", "-c", useMemory + "; echo on"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tr.Command(append([]string{"-p", "tiny", c.flag}, c.command...)...).Run(t)
			check(t, r, want{code: c.code, says: []string{"a process was ended for want of memory (limit 64 MiB, peak "}})
			if m := peak.FindStringSubmatch(r.Stderr); m != nil {
				if n, _ := strconv.Atoi(m[1]); n < 56 || n > 64 {
					t.Errorf("the peak is %d MiB", n)
				}
			}
		})
	}
	t.Run("nobody, below the limit", func(t *testing.T) {
		check(t, tr.Command("-p", "tiny", "--memory", "400m", "sh", "-c", useMemory).Run(t), want{hides: []string{"memory"}})
	})
}

// fork is a command that has 40 processes at once, if it may.
const fork = "for i in $(seq 40); do sleep 30 & done; kill $(jobs -p)"

func TestNoMoreProcessesStartThanTheLimit(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, nil)
	for _, limit := range []string{"1", "20"} { // the container's own first process has what it needs besides
		check(t, tr.Command("-p", "tiny", "--pids", limit, "sh", "-c", fork).Run(t), want{code: 2, says: []string{"can't fork"}})
	}
	check(t, tr.Command("-p", "tiny", "--pids", "60", "sh", "-c", fork).Run(t), want{hides: []string{"fork"}})
}

func TestARunAtItsLimitOfProcessesCanStillBeEnded(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, nil)
	const bomb = "f() { while :; do (sleep 30) & done; }; trap '' TERM; f & f & f & wait; sleep 1000"
	r := tr.Command("-p", "tiny", "--pids", "30", "--timeout", "2s", "sh", "-c", bomb).Run(t)
	check(t, r, want{code: 124, says: []string{"ended by its time limit"}})
}

// spin keeps a processor busy for two seconds and prints the processor time that the children had, as times(1) does.
const spin = "timeout 2 sh -c 'while :; do :; done'; times"

func TestARunHasNoMoreOfTheProcessorsThanTheLimit(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, nil)
	used := childTime(t, tr.Must(t, "-p", "tiny", "--cpus", "0.5", "sh", "-c", spin).Stdout)
	t.Logf("%s of 2 s", used)
	if used < 300*time.Millisecond || used > 1300*time.Millisecond { // less than 1 s where others are at work
		t.Errorf("half a processor was busy for %s of 2 s", used)
	}
}

// childTime reads the user and system time of the children: the second line of times(1).
func childTime(t testing.TB, out string) time.Duration {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var sum time.Duration
	for _, f := range strings.Fields(lines[len(lines)-1]) {
		d, err := time.ParseDuration(f)
		if err != nil {
			t.Fatalf("times: %q", out)
		}
		sum += d
	}
	return sum
}

// limitsInside prints the limits as a program in the container reads them.
const limitsInside = `cd /sys/fs/cgroup
cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max
for f in memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max; do
	if (echo 1000000 >$f) 2>/dev/null; then echo "$f can be written"; fi
done`

// processes is a limit of processes as it is seen inside: that of the container's first process, which has threads, comes
// on top.
func processes(n int) string { return fmt.Sprintln(n + 16) }

func TestLimitsOfTheFileAndOfTheLineAreSeenInside(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.small": "FROM tiny\n",
		"caisson.yaml":                     "defaults:\n  pids: 100\nplatforms:\n  small: {memory: 64m, cpus: 0.5}\n",
	})
	const free = "9223372036854771712\n-1\n100000\n"
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"of the platform and the defaults", []string{"-p", "small"}, "67108864\n50000\n100000\n" + processes(100)},
		{"the line wins", []string{"-p", "small", "--memory", "128m", "--cpus", "1.5", "--pids", "7"}, "134217728\n150000\n100000\n" + processes(7)},
		{"of the defaults alone", []string{"-p", "tiny"}, free + processes(100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := tr.Must(t, append(c.args, "sh", "-c", limitsInside)...).Stdout; out != c.want {
				t.Errorf("%q, want %q", out, c.want)
			}
		})
	}
}

func TestNoCgroupIsLeft(t *testing.T) {
	rootHasLimits(t)
	tr := harness.NewTree(t, nil)
	tr.Store = harness.ColdStore(t)
	limits := []string{"-p", "tiny", "--memory", "64m", "--pids", "50", "--cpus", "1"}
	tr.Must(t, append(limits, "true")...)
	if left := cgroupsOf(t, tr.Store); len(left) > 0 {
		t.Errorf("after a run: %q", left)
	}
	for range 5 {
		cmd := tr.Command(append(limits, "sh", "-c", "touch /work/build/ready; sleep 1000")...).Cmd(context.Background(), t)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ready := harness.Eventually(time.Minute, func() bool {
			_, err := os.Stat(tr.File("build/ready"))
			return err == nil
		})
		seen := cgroupsOf(t, tr.Store)
		harness.Signal(t, cmd, syscall.SIGKILL)
		_ = cmd.Wait() // it was killed
		if !ready || len(seen) == 0 {
			t.Fatalf("the run was ready: %v; its cgroups: %q", ready, seen)
		}
		if err := os.Remove(tr.File("build/ready")); err != nil {
			t.Fatal(err)
		}
		tr.Must(t, "ps")
		if left := cgroupsOf(t, tr.Store); len(left) > 0 {
			t.Errorf("after a killed run and a further command: %q", left)
		}
	}
}
