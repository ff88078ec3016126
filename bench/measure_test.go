package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// contender is one of the programs that are measured side by side.
type contender struct {
	name    string
	prepare func(testing.TB) *exec.Cmd // not measured
	settle  func(testing.TB)           // not measured: waits for what it leaves to do in the background; nil: nothing
}

// onceLimit is the longest that one start of a contender may take.
const onceLimit = 30 * time.Second

// series are the times of one contender, by round.
type series []time.Duration

// interleave runs each contender once a round, from start to the end of the whole process, and returns their series. Each
// round begins with another contender, so that none profits from its place. A first round warms the caches up and does
// not count.
func interleave(t testing.TB, rounds int, cs ...contender) []series {
	t.Helper()
	all := make([]series, len(cs))
	for round := range rounds + 1 {
		for i := range cs {
			at := (round + i) % len(cs)
			took := cs[at].once(t)
			if cs[at].settle != nil {
				cs[at].settle(t)
			}
			if round > 0 {
				all[at] = append(all[at], took)
			}
		}
	}
	return all
}

func (c contender) once(t testing.TB) time.Duration {
	t.Helper()
	cmd := c.prepare(t)
	var said bytes.Buffer
	cmd.Stderr = &said
	timer := time.AfterFunc(onceLimit, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, said.String())
	}
	return took
}

// program is a contender that is always started the same way.
func program(name string, argv ...string) contender {
	return contender{name: name, prepare: start(argv)}
}

func start(argv []string) func(testing.TB) *exec.Cmd {
	return func(testing.TB) *exec.Cmd { return exec.Command(argv[0], argv[1:]...) }
}

// ratio compares two contenders by the ratios within their rounds.
type ratio struct {
	median, low, high float64
	ours, theirs      time.Duration // medians
	rounds            int
}

func compare(ours, theirs series) ratio {
	var each []float64
	for i := range ours {
		each = append(each, float64(ours[i])/float64(theirs[i]))
	}
	return ratio{
		median: median(each), low: slices.Min(each), high: slices.Max(each),
		ours: median(ours), theirs: median(theirs), rounds: len(ours),
	}
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func (r ratio) String() string {
	return fmt.Sprintf("%.2f (%.2f to %.2f), %s against %s, %d rounds", r.median, r.low, r.high, ms(r.ours), ms(r.theirs), r.rounds)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// rounds of a comparison in the long and in the short form.
func rounds(long, short int) int {
	if full {
		return long
	}
	return short
}

// tolerance is the factor on every limit: the short form has few rounds, and runs beside other tests. A run that starts
// the builder, which costs more than twice a bare runc by itself, is still far over it.
func tolerance() float64 {
	if full {
		return 1
	}
	return 1.6
}

// output runs a program of the measurement's set-up to its end and returns what it printed on standard output.
func output(t testing.TB, limit time.Duration, argv ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, said.String())
	}
	return strings.TrimSpace(string(out))
}
