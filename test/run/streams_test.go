package run

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestStandardInputReachesTheCommand(t *testing.T) {
	tr := newTree(t, nil)
	t.Run("from a pipe", func(t *testing.T) {
		c := tr.Command("-p", "tiny", "sh", "-c", "read first; echo first: $first; cat")
		c.Stdin = "one\ntwo\nno newline"
		equal(t, "output", c.Must(t).Stdout, "first: one\ntwo\nno newline")
	})
	t.Run("from a file, of which it takes no more than it reads", func(t *testing.T) {
		path := filepath.Join(harness.TempDir(t), "lines")
		if err := os.WriteFile(path, []byte("one\ntwo\nthree\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := tr.Command().Cmd(t.Context(), t)
		cmd.Args = []string{"sh", "-c", cmd.Path + " -p tiny sh -c 'read x; echo got $x'; cat"}
		cmd.Path = "/bin/sh"
		in, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmd.Stdin = in
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "output", string(out), "got one\ntwo\nthree\n")
	})
	t.Run("empty", func(t *testing.T) {
		equal(t, "output", tr.sh(t, "cat; echo end"), "end\n")
	})
	t.Run("100 MB", func(t *testing.T) {
		cmd := tr.Command("-p", "tiny", "sha256sum").Cmd(t.Context(), t)
		sum := sha256.New()
		cmd.Stdin = io.TeeReader(io.LimitReader(pattern{}, 100<<20), sum)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "output", string(out), hex.EncodeToString(sum.Sum(nil))+"  -\n")
	})
}

// pattern reads as bytes of all values.
type pattern struct{}

func (pattern) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i*7 + i>>8)
	}
	return len(p), nil
}

func TestAHundredMegabytesThroughStandardOutputArriveUnchanged(t *testing.T) {
	tr := coldTree(t, nil) // the log is as large
	const script = "head -c 104857600 /dev/urandom > /tmp/x; sha256sum < /tmp/x | cut -c 1-64 >&2; cat /tmp/x"
	tr.must(t, "-p", "tiny", "-b")
	cmd := tr.Command("-p", "tiny", "sh", "-c", script).Cmd(t.Context(), t)
	sum, errs := sha256.New(), bytes.Buffer{}
	size := &counter{to: sum}
	cmd.Stdout, cmd.Stderr = size, &errs
	start := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	t.Logf("made, hashed and passed on in %s", time.Since(start))
	if size.n != 100<<20 {
		t.Errorf("%d bytes came", size.n)
	}
	equal(t, "the sum of what came", hex.EncodeToString(sum.Sum(nil))+"\n", errs.String())
}

type counter struct {
	to io.Writer
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.to.Write(p)
}

func TestStandardOutputAndErrorStayApart(t *testing.T) {
	tr := coldTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo words of the build\n"})
	// The image is built by this run: much is said, and none of it on standard output.
	r := tr.run(t, "-p", "tiny", "sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done; exit 5")
	if r.Code != 5 {
		t.Errorf("status %d", r.Code)
	}
	equal(t, "standard output", r.Stdout, "out 1\nout 2\nout 3\n")
	contains(t, r.Stderr, "building the image", "words of the build", "err 1\nerr 2\nerr 3\n", "failed with status 5")
}

func TestACommandEndsWhenItsReaderIsGone(t *testing.T) {
	tr := newTree(t, nil)
	tr.must(t, "-p", "tiny", "-b")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := tr.Command("-p", "tiny", "yes").Cmd(ctx, t)
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "y\n" {
		t.Errorf("first line %q, %v", line, err)
	}
	out.Close()
	start := time.Now()
	_ = cmd.Wait() // its status is looked at
	if code := cmd.ProcessState.ExitCode(); code != 141 {
		t.Errorf("status %d (%s), want 141: the command ends by SIGPIPE as in any pipeline", code, cmd.ProcessState)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestWithJSONEveryLineOfStandardErrorIsAnEvent(t *testing.T) {
	tr := coldTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny":  "FROM tiny\nRUN echo words of the build\n",
		"ci/docker/Dockerfile.build.fails": "FROM tiny\nRUN echo last words; exit 3\n",
		"ci/docker/Dockerfile.build.bad":   "FROM tiny\nRUNN echo\n",
	})
	for _, c := range []struct {
		name string
		args []string
		code int
		kind string // of one of the events
		says string
	}{
		{"an image build and a run", []string{"-p", "tiny", "--output", "json", "echo", "hello"}, 0, "run.end", "tiny"},
		{"the default command", []string{"--output=json", "-p", "tiny"}, 0, "result", "done in"},
		{"a failing command", []string{"-p", "tiny", "--output", "json", "false"}, 1, "result", "failed with status 1"},
		{"a command that is not found", []string{"-p", "tiny", "--output", "json", "nothing"}, 127, "result", "not found"},
		{"a failing image build", []string{"-p", "fails", "--output", "json", "true"}, 125, "error", "last words"},
		{"a bad Dockerfile", []string{"-p", "bad", "--output", "json", "true"}, 125, "error", "RUNN"},
		{"a time limit", []string{"-p", "tiny", "--output", "json", "--timeout", "0.2s", "sleep", "100"}, 124, "result", "time limit"},
		{"an unknown platform", []string{"-p", "x", "--output", "json", "true"}, 125, "error", "x"},
		{"an unknown flag", []string{"-p", "tiny", "--output", "json", "--nothing"}, 125, "error", "--nothing"},
		{"an unknown run", []string{"logs", "--output", "json", "zzzz"}, 125, "error", "zzzz"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tr.run(t, c.args...)
			if r.Code != c.code {
				t.Errorf("status %d, want %d\n%s", r.Code, c.code, r.Stderr)
			}
			found := false
			for line := range strings.Lines(r.Stderr) {
				var event map[string]any
				if err := json.Unmarshal([]byte(line), &event); err != nil {
					t.Errorf("not JSON: %q", line)
					continue
				}
				kind, _ := event["kind"].(string)
				at, _ := event["time"].(string)
				if _, err := time.Parse(time.RFC3339Nano, at); err != nil || kind == "" {
					t.Errorf("no time or no kind: %s", line)
				}
				found = found || kind == c.kind && strings.Contains(line, c.says)
			}
			if !found {
				t.Errorf("no event of kind %s with %q in:\n%s", c.kind, c.says, r.Stderr)
			}
		})
	}
}
