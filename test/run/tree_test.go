// Package run tests runs by the built program: what a command gets, what comes back from it, and how it ends.
package run

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// patience bounds what should take a moment.
const patience = time.Minute

// tools is a Dockerfile with what the small base lacks. Tests share its image.
const tools = "FROM debian:bookworm\n" +
	"RUN apt-get update && apt-get install -y --no-install-recommends make sudo \\\n" +
	" && echo 'ALL ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/all\n"

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// tree is a project and what it is run with.
type tree struct{ harness.Tree }

// newTree makes a project named demo with these files beside those of harness.Project.
func newTree(t *testing.T, files map[string]string) tree {
	t.Helper()
	return tree{harness.NewTree(t, files)}
}

// coldTree is a tree with a store of its own, for tests that look into it.
func coldTree(t *testing.T, files map[string]string) tree {
	t.Helper()
	tr := newTree(t, files)
	tr.Store = harness.ColdStore(t)
	return tr
}

// with is the tree with more in the environment.
func (tr tree) with(env ...string) tree { return tree{tr.With(env...)} }

// owned is the tree as the tester's, who calls caisson.
func (tr tree) owned(t *testing.T) tree {
	t.Helper()
	return tree{tr.Owned(t)}
}

func (tr tree) run(t *testing.T, args ...string) harness.Result {
	t.Helper()
	return tr.Command(args...).Run(t)
}

// must runs a command that has to succeed and returns its standard output.
func (tr tree) must(t *testing.T, args ...string) string {
	t.Helper()
	return tr.Must(t, args...).Stdout
}

// sh runs a shell script on the small platform and returns its standard output.
func (tr tree) sh(t *testing.T, script string) string {
	t.Helper()
	return tr.must(t, "-p", "tiny", "sh", "-c", script)
}

// live is a command that runs.
type live struct {
	cmd    *exec.Cmd
	stdout *bufio.Reader
	stderr harness.Buffer
	done   bool
}

// said is what came on standard error so far.
func (l *live) said() string { return l.stderr.String() }

// start starts a command; when the test ends before it, it is killed.
func (tr tree) start(t *testing.T, args ...string) *live {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	l := &live{cmd: tr.Command(args...).Cmd(ctx, t)}
	l.cmd.Stderr = &l.stderr
	out, err := l.cmd.StdoutPipe()
	if err == nil {
		err = l.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	l.stdout = bufio.NewReader(out)
	t.Cleanup(func() {
		cancel()
		if !l.done {
			_ = l.cmd.Wait() // it was killed
		}
	})
	return l
}

// expect reads standard output up to a line.
func (l *live) expect(t *testing.T, want string) {
	t.Helper()
	var seen strings.Builder
	for {
		line, err := l.stdout.ReadString('\n')
		if strings.TrimSpace(line) == want {
			return
		}
		seen.WriteString(line)
		if err != nil {
			_ = l.cmd.Wait() // its words say more
			l.done = true
			t.Fatalf("no line %q came (%v)\nstdout: %s\nstderr: %s", want, err, seen.String(), l.said())
		}
	}
}

// wait waits for the end and returns the exit status, what was left to read, and the time since since.
func (l *live) wait(t *testing.T, since time.Time) (code int, rest string, took time.Duration) {
	t.Helper()
	b, err := io.ReadAll(l.stdout)
	if err != nil {
		t.Fatal(err)
	}
	err = l.cmd.Wait()
	took = time.Since(since)
	l.done = true
	if ee, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	} else if ok && !ee.Exited() {
		t.Fatalf("caisson did not exit by itself: %v\nstderr: %s", ee, l.said())
	}
	return l.cmd.ProcessState.ExitCode(), string(b), took
}

// contains checks that a text has all of these parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

func equal(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func owner(t *testing.T, path string) (uid, gid int) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), int(st.Gid)
}

// list is the names in a folder.
func list(t *testing.T, dir ...string) []string {
	t.Helper()
	es, err := os.ReadDir(filepath.Join(dir...))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

// size is the bytes of all files below a folder.
func size(t *testing.T, dir ...string) (bytes int64) {
	t.Helper()
	err := filepath.Walk(filepath.Join(dir...), func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
