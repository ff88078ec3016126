package lifeline_test

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"caisson/internal/lifeline"
)

func onTerminal(script string) lifeline.Request {
	req := shell(script)
	req.TTY, req.Rows, req.Cols = true, 33, 111
	return req
}

func TestTerminal(t *testing.T) {
	t.Run("it has a name and a size in the container", func(t *testing.T) {
		out, _ := run(t, "", onTerminal("tty; stty size; [ -t 2 ] && echo all"))
		if out != "/dev/pts/0\n33 111\nall" {
			t.Errorf("printed %q", out)
		}
	})
	t.Run("it belongs to the user", func(t *testing.T) {
		req := asUser("stat -c '%u' $(tty); echo hello > $(tty)")
		req.TTY = true
		out, _ := run(t, "", req)
		if out != "4321\nhello" {
			t.Errorf("printed %q", out)
		}
	})
	t.Run("a new size reaches the program", func(t *testing.T) {
		c := launch(t, "", onTerminal("trap 'stty size; exit 8' WINCH; echo ready; "+loop), nil)
		c.started(t)
		c.out.await(t, "ready")
		c.Resize(44, 122)
		c.out.await(t, "44 122")
		if got := c.exit(t); got.Code != 8 {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("a typed ^C reaches the program", func(t *testing.T) {
		c := launch(t, "", onTerminal("trap 'echo interrupted; exit 9' INT; echo ready; "+loop), nil)
		master := c.started(t)
		c.out.await(t, "ready")
		if _, err := master.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		c.out.await(t, "interrupted")
		if got := c.exit(t); got.Code != 9 {
			t.Errorf("status %+v", got)
		}
	})
	t.Run("typed lines are its input, ^D their end", func(t *testing.T) {
		c := launch(t, "", onTerminal("read a; echo got $a; cat; echo end"), nil)
		master := c.started(t)
		master.Write([]byte("word\n"))
		c.out.await(t, "got word")
		master.Write([]byte{4})
		c.out.await(t, "end")
		c.exit(t)
	})
}

func TestTerminateOnATerminal(t *testing.T) {
	for _, tt := range []struct{ name, typed, ready string }{
		{"an interactive shell, which ignores TERM, ends", "echo re''ady\n", "ready"},
		{"its foreground job ends too", "sh -c 'echo re\"\"ady; exec sleep 1000'\n", "ready"},
		{"a stopped job ends too", "sh -c 'kill -STOP $$'\necho re''ady\n", "ready"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := onTerminal("")
			req.Args = []string{"bash", "--norc", "--noprofile", "-i"}
			c := launch(t, "", req, nil)
			master := c.started(t)
			master.Write([]byte(tt.typed))
			c.out.await(t, tt.ready)
			begin := time.Now()
			c.Terminate()
			c.exit(t)
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestTerminateOnATerminalLeavesTimeToCleanUp(t *testing.T) {
	// A second TERM or HUP would be told; the first sleep lets the first HUP pass, which comes right after TERM.
	script := "trap 'sleep 0.2; trap \"echo disturbed\" TERM HUP; sleep 0.7; echo cleaned; exit 3' TERM; trap '' HUP; echo ready; " + loop
	c := launch(t, "", onTerminal(script), nil)
	c.started(t)
	c.out.await(t, "ready")
	c.Terminate()
	if got := c.exit(t); got.Code != 3 {
		t.Errorf("status %+v", got)
	}
	if out := c.out.String(); !strings.Contains(out, "cleaned") || strings.Contains(out, "disturbed") {
		t.Errorf("printed %q", out)
	}
}

func TestSlowReaderOfATerminalLosesNothing(t *testing.T) {
	c := launch(t, "", onTerminal("seq 1 20000"), nil)
	master, err := c.Started(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	var want bytes.Buffer
	for i := 1; i <= 20000; i++ {
		want.WriteString(strconv.Itoa(i) + "\r\n")
	}
	var got strings.Builder
	piece := make([]byte, 1000)
	exited := false
	for {
		// The last pieces are read when the command and all of the container are gone.
		if !exited && want.Len()-got.Len() < 3000 {
			if _, err := c.Exit(); err != nil {
				t.Fatal(err)
			}
			<-c.gone
			exited = true
		}
		n, err := master.Read(piece)
		got.Write(piece[:n])
		if err != nil {
			break
		}
	}
	if got.String() != want.String() {
		t.Errorf("%d bytes arrived of %d, or others", got.Len(), want.Len())
	}
}

func TestClosingTheMasterEndsARead(t *testing.T) {
	c := launch(t, "", onTerminal("exec sleep 1000"), nil)
	master, err := c.Started(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := master.Read(make([]byte, 1))
		ended <- err
	}()
	master.Close()
	if err := <-ended; err == nil {
		t.Error("the read has no error")
	}
}
