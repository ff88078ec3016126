package run

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// terminal is a terminal with a command on it.
type terminal struct {
	t           *testing.T
	cmd         *exec.Cmd
	master, tty *os.File
	before      unix.Termios // the modes that it began with
	kill        func()       // ends what is left, and with it the reading
	mu          sync.Mutex
	seen        []byte // all that came
}

// startTerminal starts a command on a terminal of 30 rows and 90 columns, as its controlling terminal.
func (tr tree) startTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	term := tr.startUnread(t, args...)
	read := make(chan struct{}) // closed by the reader
	go func() {
		defer close(read)
		_, _ = io.Copy(writer(term.add), term.master) // ends with the terminal
	}()
	t.Cleanup(func() {
		term.kill()
		<-read
	})
	return term
}

// startUnread is startTerminal for a test that reads the terminal itself.
func (tr tree) startUnread(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, tty, err := pty.Open()
	if err == nil {
		err = pty.Setsize(master, &pty.Winsize{Rows: 30, Cols: 90})
	}
	if err == nil { // as who logs in owns the terminal
		err = tty.Chown(harness.Runner().UID, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	term := &terminal{t: t, cmd: tr.Command(args...).Cmd(ctx, t), master: master, tty: tty}
	term.before = term.modes()
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = tty, tty, tty
	term.cmd.SysProcAttr.Setsid, term.cmd.SysProcAttr.Setctty = true, true
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term.kill = sync.OnceFunc(func() {
		cancel()
		if term.cmd.ProcessState == nil {
			_ = term.cmd.Wait() // it was killed
		}
		tty.Close()
	})
	t.Cleanup(func() {
		term.kill()
		master.Close()
	})
	return term
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func (term *terminal) add(p []byte) {
	term.mu.Lock()
	defer term.mu.Unlock()
	term.seen = append(term.seen, p...)
}

// text is all that came so far, with plain ends of lines.
func (term *terminal) text() string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return strings.ReplaceAll(string(term.seen), "\r\n", "\n")
}

// expect waits until a text has come.
func (term *terminal) expect(want string) {
	term.t.Helper()
	if !harness.Eventually(20*time.Second, func() bool { return strings.Contains(term.text(), want) }) {
		term.t.Fatalf("no %q came on the terminal:\n%s", want, term.text())
	}
}

func (term *terminal) keys(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatal(err)
	}
}

// modes of the terminal at this moment.
func (term *terminal) modes() unix.Termios {
	term.t.Helper()
	modes, err := unix.IoctlGetTermios(int(term.tty.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return *modes
}

// wait waits for the end, checks that the modes are as before, and returns the exit status and the time since since.
func (term *terminal) wait(since time.Time) (int, time.Duration) {
	term.t.Helper()
	_ = term.cmd.Wait() // the status is looked at
	took := time.Since(since)
	if !term.cmd.ProcessState.Exited() {
		term.t.Fatalf("caisson did not exit by itself: %s\n%s", term.cmd.ProcessState, term.text())
	}
	if now := term.modes(); now != term.before {
		term.t.Errorf("the terminal's modes were not restored: %+v, before %+v", now, term.before)
	}
	return term.cmd.ProcessState.ExitCode(), took
}

// ends waits for the end with a status.
func (term *terminal) ends(want int) {
	term.t.Helper()
	if code, _ := term.wait(time.Now()); code != want {
		term.t.Errorf("status %d, want %d\n%s", code, want, term.text())
	}
}

func TestAnInteractiveCommandHasATerminal(t *testing.T) {
	tr := newTree(t, nil)
	const script = `tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; read -r line; echo "got $line"; exit 4`
	term := tr.startTerminal(t, "-p", "tiny", "-i", "sh", "-c", script)
	term.expect("/dev/pts/0\n30 90\nall\n")
	term.keys("some words\r")
	term.expect("got some words\n")
	term.ends(4)
}

func TestANewSizeOfTheTerminalReachesTheCommand(t *testing.T) {
	tr := newTree(t, nil)
	term := tr.startTerminal(t, "-p", "tiny", "-i", "sh", "-c",
		`trap 'stty size' WINCH; echo ready; while ! [ -e /work/build/stop ]; do sleep 0.05; done`)
	term.expect("ready")
	for _, size := range []pty.Winsize{{Rows: 50, Cols: 132}, {Rows: 10, Cols: 40}} {
		if err := pty.Setsize(term.master, &size); err != nil {
			t.Fatal(err)
		}
		term.expect(map[uint16]string{50: "50 132\n", 10: "10 40\n"}[size.Rows])
	}
	tr.Write(t, map[string]string{"build/stop": ""})
	term.ends(0)
}

func TestATypedInterruptGoesToTheProgramAndNotToCaisson(t *testing.T) {
	tr := newTree(t, nil)
	term := tr.startTerminal(t, "-p", "tiny", "-i", "sh", "-c",
		`trap 'echo interrupted' INT; echo ready; while ! [ -e /work/build/stop ]; do sleep 0.05; done; exit 6`)
	term.expect("ready")
	if term.modes() == term.before {
		t.Error("the terminal is not in raw mode")
	}
	term.keys("\x03")
	term.expect("interrupted\n")
	tr.Write(t, map[string]string{"build/stop": ""})
	term.ends(6)

	term = tr.startTerminal(t, "-p", "tiny", "-i", "sh", "-c", `echo ready; exec sleep 1000`)
	term.expect("ready")
	term.keys("\x03")
	term.ends(130) // 128+2: the command died by it
}

func TestTheTerminalIsAsBeforeOnEveryWayOut(t *testing.T) {
	tr := newTree(t, map[string]string{"data": "no program\n", "ci/docker/Dockerfile.build.fails": "FROM tiny\nRUN exit 3\n"})
	for _, c := range []struct {
		name   string
		args   []string
		signal syscall.Signal // sent when "ready" came
		code   int
	}{
		{"the command succeeds", []string{"-p", "tiny", "-i", "true"}, 0, 0},
		{"the command fails", []string{"-p", "tiny", "-i", "sh", "-c", "stty raw -echo; exit 8"}, 0, 8},
		{"the command is killed", []string{"-p", "tiny", "-i", "sh", "-c", "kill -KILL $$"}, 0, 137},
		{"the command is not found", []string{"-p", "tiny", "-i", "no-such-program"}, 0, 127},
		{"the command cannot be started", []string{"-p", "tiny", "-i", "/work/demo/data"}, 0, 126},
		{"the image cannot be built", []string{"-p", "fails", "-i"}, 0, 125},
		{"the time is over", []string{"-p", "tiny", "--timeout", "0.5s", "-i", "sleep", "1000"}, 0, 124},
		{"TERM", []string{"-p", "tiny", "-i", "sh", "-c", "echo ready; sleep 1000"}, syscall.SIGTERM, 143},
		{"INT from elsewhere", []string{"-p", "tiny", "-i", "sh", "-c", "echo ready; sleep 1000"}, syscall.SIGINT, 130},
		{"HUP", []string{"-p", "tiny", "-i", "sh", "-c", "echo ready; sleep 1000"}, syscall.SIGHUP, 129},
		{"KILL after the grace period", []string{"-p", "tiny", "-i", "sh", "-c", stubborn}, syscall.SIGTERM, 143},
	} {
		t.Run(c.name, func(t *testing.T) {
			term := tr.with("DOCKER_STOP_TIMEOUT=1").startTerminal(t, c.args...)
			if c.signal != 0 {
				term.expect("ready")
				harness.Signal(t, term.cmd, c.signal)
			}
			term.ends(c.code)
		})
	}
}

func TestAnInteractiveShellEndsByASignal(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tools": tools})
	for _, platform := range []string{"tiny", "tools"} { // ash and bash: both ignore TERM
		shell := map[string]string{"tiny": "sh", "tools": "bash"}[platform]
		term := tr.startTerminal(t, "-p", platform, "-i", shell)
		term.keys("echo rea''dy\r")
		term.expect("ready\n")
		start := time.Now()
		harness.Signal(t, term.cmd, syscall.SIGTERM)
		code, took := term.wait(start)
		if code != 143 {
			t.Errorf("%s: status %d", shell, code)
		}
		within(t, took, 0, time.Second)
	}
}

func TestInteractiveWithoutATerminalIsRefused(t *testing.T) {
	tr := coldTree(t, nil)
	r := tr.run(t, "-p", "tiny", "-i", "true")
	if r.Code != 125 {
		t.Errorf("status %d", r.Code)
	}
	equal(t, "standard output", r.Stdout, "")
	contains(t, r.Stderr, "-i needs a terminal", "leave -i out")
	if strings.Contains(r.Stderr, "building the image") {
		t.Errorf("it is said only after the image was built:\n%s", r.Stderr)
	}
}

func TestATerminalThatIsClosedEndsTheRun(t *testing.T) {
	tr := newTree(t, nil)
	for _, flags := range [][]string{{"-i"}, nil} {
		args := append([]string{"-p", "tiny"}, flags...)
		term := tr.startUnread(t, append(args, "sh", "-c", "echo ready; sleep 1000")...)
		if line, err := bufio.NewReader(term.master).ReadString('\n'); err != nil || line != "ready\r\n" {
			t.Fatalf("the first line is %q, %v", line, err)
		}
		start := time.Now()
		term.master.Close()
		_ = term.cmd.Wait() // the status is looked at
		if code := term.cmd.ProcessState.ExitCode(); code != 129 {
			t.Errorf("with %q: %s, want status 129", flags, term.cmd.ProcessState)
		}
		within(t, time.Since(start), 0, time.Second)
	}
}

func TestWithoutInteractiveACommandDoesNotReadTheTerminal(t *testing.T) {
	tr := newTree(t, nil)
	term := tr.startTerminal(t, "-p", "tiny", "sh", "-c", "cat; [ -t 0 ] || echo no terminal")
	term.expect("no terminal\n") // cat found an end, and waits for no keys
	term.ends(0)
}
