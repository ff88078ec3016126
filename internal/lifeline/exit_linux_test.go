package lifeline_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
)

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         engine.ExitStatus
	}{
		{"success is 0", "true", engine.ExitStatus{}},
		{"a failure is the command's own number", "exit 7", engine.ExitStatus{Code: 7}},
		{"the largest number arrives", "exit 255", engine.ExitStatus{Code: 255}},
		{"death by KILL is 137", "kill -9 $$", engine.ExitStatus{Code: 137, Signal: 9}},
		{"death by TERM is 143", "kill -15 $$", engine.ExitStatus{Code: 143, Signal: 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, got := run(t, "", shell(tt.script)); got != tt.want {
				t.Errorf("status %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestCommandThatCannotBeStarted(t *testing.T) {
	for _, tt := range []struct {
		name, setup string
		args        []string
		dir         string
		notFound    bool
		words       []string
	}{
		{"a name that is nowhere in PATH", "", []string{"no-such-tool"}, "", true, []string{"no-such-tool", "not found in PATH", "/opt/a:"}},
		{"a path that is not there", "", []string{"/no/such/tool"}, "", true, []string{"/no/such/tool", "no such file"}},
		{"a path through a file", "", []string{"/etc/passwd/x"}, "", true, []string{"/etc/passwd/x"}},
		{"an empty name", "", []string{""}, "", true, nil},
		{"a file that is not executable", "echo '#!/bin/sh' > /opt/tool", []string{"/opt/tool"}, "", false, []string{"/opt/tool", "not executable"}},
		{"a name in PATH that is not executable", "mkdir /opt/a; echo '#!/bin/sh' > /opt/a/tool", []string{"tool"}, "", false, []string{"/opt/a/tool", "not executable"}},
		{"a folder", "", []string{"/etc"}, "", false, []string{"/etc", "directory"}},
		{"a script whose interpreter is missing", "echo '#! /opt/lua -x' > /opt/tool; chmod +x /opt/tool", []string{"/opt/tool"}, "", false, []string{`interpreter "/opt/lua"`}},
		{"a script with DOS line ends", `printf '#!/bin/sh\r\n' > /opt/tool; chmod +x /opt/tool`, []string{"/opt/tool"}, "", false, []string{`"/bin/sh\r"`, "CR LF"}},
		{"a script without a first line", "echo true > /opt/tool; chmod +x /opt/tool", []string{"/opt/tool"}, "", false, []string{"exec format error", "#!"}},
		{"an empty file", ": > /opt/tool; chmod +x /opt/tool", []string{"/opt/tool"}, "", false, []string{"exec format error", "empty"}},
		{"a program for another processor", `cp /bin/true /opt/tool; printf '\026' | dd of=/opt/tool bs=1 seek=18 conv=notrunc 2>/dev/null`, []string{"/opt/tool"}, "", false, []string{"exec format error", "s390"}},
		{"a program whose loader is missing", "sed 's#/ld-linux#/ld-wrong#' /bin/true > /opt/tool; chmod +x /opt/tool", []string{"/opt/tool"}, "", false, []string{"loader", "/ld-wrong"}},
		{"a working directory that is a file", "", []string{"true"}, "/etc/passwd", false, []string{"working directory", "/etc/passwd"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := lifeline.Request{Args: tt.args, Dir: tt.dir, Env: []string{"PATH=/opt/a:/usr/bin:/bin"}}
			c := launch(t, tt.setup, req, nil)
			_, err := c.Started(context.Background())
			e := asStartError(t, err)
			if e.NotFound != tt.notFound {
				t.Errorf("not found is %v: %s", e.NotFound, e.Reason)
			}
			for _, w := range tt.words {
				if !strings.Contains(e.Reason, w) {
					t.Errorf("reason %q lacks %q", e.Reason, w)
				}
			}
			if _, err := c.Exit(); !errors.As(err, &e) {
				t.Errorf("Exit says %v afterwards", err)
			}
			<-c.gone
			if want := map[bool]int{true: 127, false: 126}[tt.notFound]; c.code != want {
				t.Errorf("PID 1 ended with %d, want %d", c.code, want)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	script := func(path, word string) string {
		return "mkdir -p $(dirname " + path + "); printf '#!/bin/sh\\necho " + word + "\\n' > " + path + "; chmod +x " + path + "; "
	}
	for _, tt := range []struct {
		name, setup, path, arg, dir, want string
	}{
		{"the first folder of PATH wins", script("/opt/a/tool", "a") + script("/opt/b/tool", "b"), "/opt/a:/opt/b", "tool", "", "a"},
		{"a file that is not executable is passed over", script("/opt/a/tool", "a") + script("/opt/b/tool", "b") + "chmod -x /opt/a/tool", "/opt/a:/opt/b", "tool", "", "b"},
		{"a folder of that name is passed over", "mkdir -p /opt/a/tool;" + script("/opt/b/tool", "b"), "/opt/a:/opt/b", "tool", "", "b"},
		{"a path is relative to the working directory", script("/opt/a/tool", "a"), "/bin", "a/tool", "/opt", "a"},
		{"without PATH Docker's is used", script("/usr/local/sbin/tool", "sbin"), "", "tool", "", "sbin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := lifeline.Request{Args: []string{tt.arg}, Env: []string{"X=1"}, Dir: tt.dir}
			if tt.path != "" {
				req.Env = append(req.Env, "PATH="+tt.path)
			}
			if got, _ := run(t, tt.setup, req); got != tt.want {
				t.Errorf("printed %q, want %q", got, tt.want)
			}
		})
	}
}

func TestShortRunsLoseNoExit(t *testing.T) {
	const runs, lanes = 200, 2
	for lane := range lanes {
		t.Run(fmt.Sprintf("lane %d", lane), func(t *testing.T) {
			t.Parallel()
			for i := lane; i < runs; i += lanes {
				script := "(exit 3) & echo " + strconv.Itoa(i) + "; exit " + strconv.Itoa(i%256)
				out, status := run(t, "", shell(script))
				if status.Code != i%256 || out != strconv.Itoa(i) {
					t.Fatalf("run %d printed %q and ended with %+v", i, out, status)
				}
			}
		})
	}
}

func TestInitIsSmall(t *testing.T) {
	info, err := os.Stat(initFolder + "/caisson-init")
	if err != nil {
		t.Fatal(err)
	}
	const limit = 2_500_000
	if info.Size() > limit {
		t.Errorf("caisson-init has %d bytes, more than %d: see what it imports", info.Size(), limit)
	}
}

// BenchmarkStart measures what a run pays for its PID 1: from the exec of the init to the exec of the command, request
// and answer included. The namespace is made before, the stage is left out.
func BenchmarkStart(b *testing.B) {
	devnull, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer devnull.Close()
	var took []time.Duration
	for b.Loop() {
		conn, peer, err := lifeline.NewPair()
		if err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(initFolder + "/caisson-init")
		cmd.ExtraFiles = []*os.File{peer}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if err := conn.Start(lifeline.Request{Args: []string{"/bin/true"}}, devnull, devnull, devnull); err != nil {
			b.Fatal(err)
		}
		if err := cmd.Start(); err != nil { // returns after the exec
			b.Fatal(err)
		}
		begin := time.Now()
		peer.Close()
		if _, err := conn.Started(context.Background()); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
		conn.Close()
		cmd.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-median")
	b.ReportMetric(float64(took[0].Microseconds()), "µs-least")
}
