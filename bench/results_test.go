package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
)

// results are the rows of the table, in the order of measurement.
var results []resultRow

type resultRow struct{ What, Against, Times, Ratio, Limit, Held, Load string }

// noLimit is for a row that is there to be read.
const noLimit = "none"

// row puts a comparison into the table, and fails the test where the promise is not held.
func row(t testing.TB, what, against string, r ratio, limit string, held bool) {
	t.Helper()
	t.Logf("%s against %s: %s; limit: %s", what, against, r, limit)
	if !held {
		t.Errorf("over its limit, %s", limit)
	}
	verdict := "yes"
	switch {
	case limit == noLimit:
		verdict = ""
	case !held:
		verdict = "**no**"
	}
	results = append(results, resultRow{
		What: what, Against: against, Limit: limit, Held: verdict, Load: load(),
		Times: fmt.Sprintf("%s / %s", ms(r.ours), ms(r.theirs)),
		Ratio: fmt.Sprintf("%.2f (%.2f to %.2f)", r.median, r.low, r.high),
	})
}

// notMeasured is a row for something that this machine does not have.
func notMeasured(t testing.TB, what, against, limit, why string) {
	t.Helper()
	t.Logf("%s against %s: not measured: %s", what, against, why)
	results = append(results, resultRow{What: what, Against: against, Times: "not measured: " + why, Limit: limit})
}

// comparisons is the number of rows of a complete measurement.
const comparisons = 14

//go:embed results.tmpl
var resultsText string

// writeResults writes the page with the table; a measurement of some tests only leaves it as it is. began is the
// machine's load before the first test.
func writeResults(path, began string) error {
	if len(results) != comparisons {
		return nil
	}
	page := template.Must(template.New("results").Parse(resultsText))
	var b bytes.Buffer
	if err := page.Execute(&b, map[string]any{
		"Date": time.Now().Format(time.DateOnly), "Commit": commit(), "Machine": machine(), "Began": began, "Ended": load(), "Rows": results, "Phases": phases,
	}); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// commit of the checkout, as far as it has one.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	changes, err := exec.Command("git", "status", "--porcelain").Output()
	if err != nil || len(changes) > 0 {
		return strings.TrimSpace(string(head)) + " with changes"
	}
	return strings.TrimSpace(string(head))
}

func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u)
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info)
	model := "unknown processor"
	b, _ := os.ReadFile("/proc/cpuinfo")
	cores := 0
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name":
			model = strings.TrimSpace(value)
		case "processor":
			cores++
		}
	}
	cgroup := "cgroup v1"
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		cgroup = "cgroup v2"
	}
	return fmt.Sprintf("%d cores (%s), %.0f GB of memory, Linux %s, %s", cores, model,
		float64(info.Totalram)*float64(info.Unit)/1e9, unix.ByteSliceToString(u.Release[:]), cgroup)
}

// load is the number of processes that ran or wanted to run, in the mean of the last minute.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
