package bench

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// phases are the rows of the second table.
var phases []phaseRow

type phaseRow struct{ From, To, Caisson, Bare string }

// milestone is an event of a run: a program that begins, or the last thread of its process that ends.
type milestone struct {
	words string
	exec  string // end of the program's path; its begin, with a slash at the end
	exit  bool
}

var milestones = []milestone{
	{words: "caisson begins", exec: "/caisson"},
	{words: "the supervisor begins", exec: "/proc/self/exe"},
	{words: "runc begins", exec: "/runc"},
	{words: "runc's own second start", exec: "/proc/self/fd/"},
	{words: "the init begins", exec: "/caisson-init"},
	{words: "the command begins", exec: "bin/true"},
	{words: "the command ends", exec: "bin/true", exit: true},
	{words: "the init ends", exec: "/caisson-init", exit: true},
	{words: "runc ends", exec: "/runc", exit: true},
	{words: "the supervisor ends", exec: "/proc/self/exe", exit: true},
	{words: "caisson ends", exec: "/caisson", exit: true},
}

// TestWhereTheTimeOfACachedRunGoes fills the table of phases, for tuning. It has no limits.
func TestWhereTheTimeOfACachedRunGoes(t *testing.T) {
	if !full {
		return
	}
	if _, err := exec.LookPath("perf"); err != nil {
		t.Log("not measured: perf is not installed (package linux-perf)")
		return
	}
	store, project := harness.Store(t), benchProject(t)
	c := command(store, project, "-p", "tiny", "true")
	c.Must(t) // makes the image
	cs := []contender{caisson(c), bare(t, command(store, project), "tiny")}
	times := make([][]map[int]time.Duration, len(cs))
	for round := range 16 {
		for i := range cs {
			if seen := trace(t, cs[i]); round > 0 {
				times[i] = append(times[i], seen)
			}
		}
	}
	for to := 1; to < len(milestones); to++ {
		p := phaseRow{From: milestones[to-1].words, To: milestones[to].words, Caisson: between(times[0], to), Bare: between(times[1], to)}
		if _, has := times[1][0][to-1]; !has && p.Bare != "" { // the bare runc has fewer steps: name the one it comes from
			p.Bare += " (from its last step)"
		}
		phases = append(phases, p)
		t.Logf("%-26s -> %-26s %10s %10s", p.From, p.To, p.Caisson, p.Bare)
	}
}

// between is the median time from the milestone before to this one; empty where a run has no such milestone.
func between(runs []map[int]time.Duration, to int) string {
	var each []time.Duration
	for _, run := range runs {
		end, ok := run[to]
		if !ok {
			return ""
		}
		from := to - 1
		for ; from >= 0; from-- {
			if start, ok := run[from]; ok {
				each = append(each, end-start)
				break
			}
		}
		if from < 0 {
			return "" // the first one
		}
	}
	return ms(median(each))
}

// event is a line of perf script: command name, process/thread, seconds, event, fields.
var event = regexp.MustCompile(`(\d+)/\d+\s+([\d.]+):\s+sched:sched_process_(exec|exit):\s+(.*)`)

// trace runs a contender under perf and returns the time of each milestone that it has passed.
func trace(t testing.TB, c contender) map[int]time.Duration {
	t.Helper()
	cmd := c.prepare(t)
	data := filepath.Join(t.TempDir(), "perf.data")
	perf := exec.Command("perf", append([]string{"record", "--quiet", "-e", "sched:sched_process_exec", "-e", "sched:sched_process_exit", "-o", data, "--"}, cmd.Args...)...)
	perf.Dir, perf.Env = cmd.Dir, cmd.Env
	contender{name: c.name + " under perf", prepare: func(testing.TB) *exec.Cmd { return perf }}.once(t)
	text := output(t, onceLimit, "perf", "script", "-i", data, "-F", "comm,pid,tid,time,event,trace")
	seen := map[int]time.Duration{}
	program := map[string]string{} // of each process, the one that it executed last
	for line := range strings.Lines(text) {
		m := event.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		pid, exit := m[1], m[3] == "exit"
		if exit && !strings.Contains(m[4], "group_dead=true") {
			continue
		}
		if !exit {
			program[pid] = executed(m[4])
		}
		seconds, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		for i, ms := range milestones {
			if _, had := seen[i]; !had && ms.exit == exit && ms.is(program[pid]) {
				seen[i] = time.Duration(seconds * float64(time.Second))
			}
		}
	}
	if len(seen) == 0 {
		t.Fatalf("perf reported no process of %s:\n%s", c.name, text)
	}
	return seen
}

func (m milestone) is(program string) bool {
	if strings.HasSuffix(m.exec, "/") {
		return strings.HasPrefix(program, m.exec)
	}
	return strings.HasSuffix(program, m.exec)
}

// executed is the path in the fields of an exec event.
func executed(fields string) string {
	for field := range strings.FieldsSeq(fields) {
		if path, ok := strings.CutPrefix(field, "filename="); ok {
			return path
		}
	}
	return ""
}
