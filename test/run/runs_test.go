package run

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

const idForm = `[0-9a-hjkmnp-tv-z]{13}`

// untilFile is a script that says "ready", waits until the build folder has this file, and exits with a status.
func untilFile(name, status string) string {
	return "echo ready; while ! [ -e /work/build/" + name + " ]; do sleep 0.05; done; echo bye; exit " + status
}

// rows of `caisson ps`, without the heading.
func (tr tree) rows(t *testing.T, args ...string) []string {
	t.Helper()
	out := tr.must(t, append([]string{"ps"}, args...)...)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if !strings.HasPrefix(lines[0], "RUN ") {
		t.Fatalf("ps has no heading:\n%s", out)
	}
	return lines[1:]
}

func TestTwoRunsInOneTreeKnowOfEachOther(t *testing.T) {
	tr := coldTree(t, map[string]string{"ci/docker/Dockerfile.build.other": "FROM tiny\n"})
	tr.must(t, "-p", "other", "-b")
	first := tr.start(t, "-p", "tiny", "sh", "-c", untilFile("end-first", "3"))
	first.expect(t, "ready")
	second := tr.start(t, "-p", "other", "sh", "-c", untilFile("end-second", "4"))
	second.expect(t, "ready")

	// Another process sees both.
	rows := tr.rows(t)
	if len(rows) != 2 {
		t.Fatalf("ps shows %d runs:\n%s", len(rows), strings.Join(rows, "\n"))
	}
	form := regexp.MustCompile(`^(` + idForm + `)  (tiny|other) +live +[-0-9]+ [:0-9]+ +[0-9.]+ s +.*sh -c .* ` + regexp.QuoteMeta(tr.Root) + `$`)
	ids := map[string]string{} // platform -> id
	for _, row := range rows {
		m := form.FindStringSubmatch(row)
		if m == nil {
			t.Fatalf("a row of ps: %q", row)
		}
		ids[m[2]] = m[1]
	}

	tr.Write(t, map[string]string{"build/end-second": ""})
	if code, rest, _ := second.wait(t, time.Now()); code != 4 || rest != "bye\n" {
		t.Errorf("the second: status %d, output %q", code, rest)
	}
	tr.Write(t, map[string]string{"build/end-first": ""})
	if code, rest, _ := first.wait(t, time.Now()); code != 3 || rest != "bye\n" {
		t.Errorf("the first: status %d, output %q", code, rest)
	}
	contains(t, second.said(), "caisson: other: run "+ids["tiny"]+" (tiny) is at work in this tree and shares its build/")
	if strings.Contains(first.said(), "at work") {
		t.Errorf("the first speaks of the second: %s", first.said())
	}
	if rows := tr.rows(t); len(rows) > 0 {
		t.Errorf("ps shows ended runs:\n%s", strings.Join(rows, "\n"))
	}
	all := strings.Join(tr.rows(t, "-a"), "\n")
	contains(t, all, ids["tiny"], ids["other"], "status 3", "status 4")
}

func TestARunInAnotherTreeIsNoNeighbour(t *testing.T) {
	tr, elsewhere := newTree(t, nil), newTree(t, nil)
	l := elsewhere.start(t, "-p", "tiny", "sh", "-c", untilFile("end", "0"))
	l.expect(t, "ready")
	r := tr.Command("-p", "tiny", "true").Must(t)
	equal(t, "standard error", r.Stderr, "")
	elsewhere.Write(t, map[string]string{"build/end": ""})
	if code, _, _ := l.wait(t, time.Now()); code != 0 {
		t.Errorf("status %d", code)
	}
}

func TestABuildFolderThatAnotherPlatformWroteLastIsSaid(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.other": "FROM tiny\n"})
	tr.must(t, "-p", "other", "-b")
	for _, step := range []struct{ platform, says string }{
		{"tiny", ""}, {"tiny", ""},
		{"other", "caisson: other: build/ was last written by tiny\n"}, {"other", ""},
		{"tiny", "caisson: tiny: build/ was last written by other\n"},
	} {
		equal(t, "standard error on "+step.platform, tr.Command("-p", step.platform, "true").Must(t).Stderr, step.says)
	}
}

func TestLogsPrintWhatARunPrinted(t *testing.T) {
	tr := coldTree(t, nil)
	binary := make([]byte, 1<<20)
	if _, err := (pattern{}).Read(binary); err != nil {
		t.Fatal(err)
	}
	tr.Write(t, map[string]string{"binary": string(binary)})
	tr.must(t, "-p", "tiny", "-b")

	if r := tr.run(t, "logs"); r.Code != 125 || !strings.Contains(r.Stderr, "no run yet") {
		t.Errorf("without any run: status %d\n%s", r.Code, r.Stderr)
	}
	got := tr.must(t, "-p", "tiny", "cat", "/work/demo/binary")
	if sha256.Sum256([]byte(got)) != sha256.Sum256(binary) {
		t.Fatal("the run's output is not the file")
	}
	id, _, _ := strings.Cut(tr.rows(t, "-a")[0], " ")
	tr.run(t, "-p", "tiny", "sh", "-c", "echo out; sleep 0.1; echo err >&2; exit 1")

	equal(t, "the newest log", tr.must(t, "logs"), "out\nerr\n")
	for _, name := range []string{id, id[:12], id[9:]} {
		if log := tr.must(t, "logs", name); log != string(binary) {
			t.Errorf("logs %s: %d bytes that are not what the run printed", name, len(log))
		}
	}
	r := tr.run(t, "logs", "zzzzzzzzzzzzz")
	if r.Code != 125 || r.Stdout != "" {
		t.Errorf("logs of an unknown run: status %d, output %q", r.Code, r.Stdout)
	}
	contains(t, r.Stderr, "no such run: zzzzzzzzzzzzz", "the last ones are ", id)
}

func TestTheLogOfALiveRunCanBeRead(t *testing.T) {
	tr := newTree(t, nil)
	l := tr.start(t, "-p", "tiny", "sh", "-c", "echo first words; "+untilFile("end", "0"))
	l.expect(t, "ready")
	var id string
	for _, row := range tr.rows(t) {
		if strings.HasSuffix(row, tr.Root) {
			id, _, _ = strings.Cut(row, " ")
		}
	}
	equal(t, "the log", tr.must(t, "logs", id), "first words\nready\n")
	tr.Write(t, map[string]string{"build/end": ""})
	l.wait(t, time.Now())
	equal(t, "the log", tr.must(t, "logs", id), "first words\nready\nbye\n")
}

func TestPsSaysHowRunsEnded(t *testing.T) {
	tr := coldTree(t, nil)
	tr.must(t, "-p", "tiny", "true")
	tr.run(t, "-p", "tiny", "no-such-program")
	tr.run(t, "-p", "tiny", "--timeout", "0.1s", "sleep", "1000")
	l := tr.start(t, "-p", "tiny", "sh", "-c", "echo ready; sleep 1000")
	l.expect(t, "ready")
	harness.Signal(t, l.cmd, syscall.SIGTERM)
	l.wait(t, time.Now())
	l = tr.start(t, "-p", "tiny", "sh", "-c", "echo ready; sleep 1000")
	l.expect(t, "ready")
	harness.Signal(t, l.cmd, syscall.SIGKILL)
	_ = l.cmd.Wait() // it was killed
	l.done = true

	rows := tr.rows(t, "-a")
	ends := []string{"status 0", "(127)", "(124)", "(143)", "killed"}
	if len(rows) != len(ends) {
		t.Fatalf("%d runs:\n%s", len(rows), strings.Join(rows, "\n"))
	}
	for i, end := range ends {
		contains(t, rows[i], end)
	}
}

func TestTheRecordsOfRunsAreClosedToOthers(t *testing.T) {
	tr := coldTree(t, nil)
	tr.must(t, "-p", "tiny", "true")
	for _, path := range []string{"", "runs"} {
		info, err := os.Stat(filepath.Join(tr.Store, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s of the store has mode %s", path, info.Mode())
		}
	}
}
