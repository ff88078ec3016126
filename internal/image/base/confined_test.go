package base

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// deathWatch makes a fifo and returns a channel that gets one value when every process that has opened it for writing
// is gone.
func deathWatch(t *testing.T) (fifo string, gone <-chan error) {
	t.Helper()
	fifo = filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1) // closed by nobody
	go func() {
		f, err := os.Open(fifo)
		if err == nil {
			_, err = io.Copy(io.Discard, f)
			f.Close()
		}
		ended <- err
	}()
	return fifo, ended
}

// stubborn is a fake that opens the fifo, hears no signal and waits, with a child that has left its process group where
// that must not help it (an ordinary user's mmdebstrap has namespaces of its own, the fake has not).
func stubborn(fifo string) string {
	leave := "setsid "
	if os.Geteuid() != 0 {
		leave = ""
	}
	return "exec 3>" + fifo + "; trap '' TERM INT HUP; " + leave + `sleep 1000 & mkdir -p "$TMPDIR/x"; ` +
		`echo "I: extracting archives..." >&2; sleep 1000`
}

func TestNothingOfMmdebstrapSurvivesACancel(t *testing.T) {
	a, _ := newAdder(t)
	fifo, gone := deathWatch(t)
	fakeBootstrap(t, a, stubborn(fifo))
	cancelWhenSaid(t, a, "extracting archives")
	if err := <-gone; err != nil {
		t.Error(err)
	}
	checkNoLeftovers(t, a.Dir)
}

// cancelWhenSaid adds a Debian and cancels it when it says text.
func cancelWhenSaid(t *testing.T, a *Adder, text string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a.Progress = func(line string) {
		if strings.Contains(line, text) {
			cancel()
		}
	}
	if _, err := a.Add(ctx, "x", "debian:bookworm"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// victim names the store of a process that only adds a Debian to it, until it is killed.
const victim = "CAISSON_TEST_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		a := &Adder{Dir: dir, root: os.Getenv(victim + "_ROOT"), Progress: func(line string) { fmt.Println(line) }}
		_, err := a.Add(context.Background(), "x", "debian:bookworm")
		fmt.Println("it ended:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestNothingOfMmdebstrapSurvivesAKill(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root, for a PID namespace")
	}
	a, _ := newAdder(t)
	fifo, gone := deathWatch(t)
	fakeBootstrap(t, a, stubborn(fifo))
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), victim+"="+a.Dir, victim+"_ROOT="+a.root)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "extracting"); {
		if strings.Contains(lines.Text(), "ended") {
			t.Fatal(lines.Text())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	if err := <-gone; err != nil {
		t.Error(err)
	}
	// The next add sweeps the stage of the dead one.
	a.Progress = nil
	mustAdd(t, a, "y", write(t, "r.tar", mergedRoot(t)))
}
