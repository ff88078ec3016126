package sandbox

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is client and supervisor, as caisson is. With CLIENT set it is a client that starts a sandbox around a
// long command, prints the supervisor's pid and waits.
func TestMain(m *testing.M) {
	Main()
	if task := os.Getenv("SANDBOX_TEST_CLIENT"); task != "" {
		s, err := Start(Options{Detached: os.Getenv("SANDBOX_TEST_DETACHED") != ""}, task, []string{"sleep", "1000"})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Pid())
		_, _ = s.Wait()
		return
	}
	os.Exit(m.Run())
}

func init() {
	Register("command", func(s *Supervisor) (int, error) {
		var argv []string
		if err := s.Body(&argv); err != nil {
			return 0, err
		}
		path, err := exec.LookPath(argv[0])
		if err != nil {
			return 0, err
		}
		return s.Run(path, argv, os.Environ())
	})
	Register("overlay", func(s *Supervisor) (int, error) {
		var o Overlay
		if err := s.Body(&o); err != nil {
			return 0, err
		}
		if err := o.Mount(); err != nil {
			return 0, err
		}
		return 0, os.WriteFile(filepath.Join(o.Target, "written"), []byte("inside"), 0o644)
	})
	Register("old overlay", func(s *Supervisor) (int, error) {
		var o Overlay
		if err := s.Body(&o); err != nil {
			return 0, err
		}
		return 0, o.mountOld()
	})
	Register("pin", func(s *Supervisor) (int, error) {
		var paths [2]string
		if err := s.Body(&paths); err != nil {
			return 0, err
		}
		if err := Pin(paths[0], paths[1]); err != nil {
			return 0, err
		}
		b, err := os.ReadFile(filepath.Join(paths[1], "file"))
		fmt.Printf("%s", b)
		return 0, err
	})
}

// run starts a sandbox, waits for its end and returns its status and what it printed.
func run(t *testing.T, task string, body any) (int, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test needs root: new namespaces do")
	}
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s, err := Start(Options{Output: out}, task, body)
	if err != nil {
		t.Fatal(err)
	}
	code, err := s.Wait()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

func TestTheStatusOfTheChildIsTheSandboxes(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -9 $$": 137} {
		if code, out := run(t, "command", []string{"sh", "-c", script}); code != want {
			t.Errorf("%s: status %d, want %d (%s)", script, code, want, out)
		}
	}
}

func TestTheSandboxHasItsOwnProcesses(t *testing.T) {
	code, out := run(t, "command", []string{"sh", "-c", "ls -d /proc/[0-9]* | wc -l; cat /proc/1/comm"})
	lines := strings.Fields(out)
	if code != 0 || len(lines) != 2 {
		t.Fatalf("status %d: %s", code, out)
	}
	if n, err := strconv.Atoi(lines[0]); err != nil || n > 5 {
		t.Errorf("it sees %s processes, want its own few", lines[0])
	}
}

func TestOrphansAreReaped(t *testing.T) {
	script := `for i in 1 2 3; do (sleep 0 & exec true); done; for i in 1 2 3 4 5 6 7 8 9 10; do
	grep -l '^State:.*Z' /proc/[0-9]*/status >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1`
	if code, out := run(t, "command", []string{"sh", "-c", script}); code != 0 {
		t.Errorf("zombies stayed: %s", out)
	}
}

func TestAnUnknownTaskIsAnError(t *testing.T) {
	if code, out := run(t, "no such task", nil); code != exitBroken || !strings.Contains(out, "no such task") {
		t.Errorf("status %d: %s", code, out)
	}
}

// overlay makes the folders of one below a path that mount options would trip over.
func overlay(t *testing.T) Overlay {
	t.Helper()
	dir := filepath.Join(t.TempDir(), `a:b,c\d`)
	o := Overlay{Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"), Target: filepath.Join(dir, "merged")}
	for i := range 70 { // more than a page of paths
		o.Lowers = append(o.Lowers, filepath.Join(dir, fmt.Sprintf("lower-with-a-name-that-is-not-short-at-all-%02d", i)))
	}
	for _, d := range append([]string{o.Upper, o.Work, o.Target}, o.Lowers...) {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func TestAnOverlayOfManyLayersIsSeenInsideOnly(t *testing.T) {
	o := overlay(t)
	if code, out := run(t, "overlay", o); code != 0 {
		t.Fatalf("status %d: %s", code, out)
	}
	if b, err := os.ReadFile(filepath.Join(o.Upper, "written")); err != nil || string(b) != "inside" {
		t.Errorf("upper: %q, %v", b, err)
	}
	if es, err := os.ReadDir(o.Target); err != nil || len(es) > 0 {
		t.Errorf("the mount is seen outside: %v, %v", es, err)
	}
}

func TestTheMountOfOldKernelsCopesWithOddPaths(t *testing.T) {
	o := overlay(t)
	o.Lowers = o.Lowers[:3]
	if code, out := run(t, "old overlay", o); code != 0 {
		t.Errorf("status %d: %s", code, out)
	}
}

func TestPinFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := os.Mkdir(real, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(real, "file"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if code, out := run(t, "pin", [2]string{real, filepath.Join(dir, "target")}); code != 0 || out != "content" {
		t.Errorf("a folder: status %d: %s", code, out)
	}
	if code, out := run(t, "pin", [2]string{filepath.Join(dir, "link"), filepath.Join(dir, "target2")}); code == 0 {
		t.Errorf("a link was followed: %s", out)
	}
}

// client starts the test binary as a client and returns it with its supervisor's pid.
func client(t *testing.T, env ...string) (*exec.Cmd, int) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), append(env, "SANDBOX_TEST_CLIENT=command")...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the client says %q", line)
	}
	return cmd, pid
}

// gone waits until a process that is not ours to wait for has ended.
func gone(pid int, within time.Duration) bool {
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(b), ") Z ") {
			return true
		}
	}
	return false
}

func TestTheSandboxDiesWithItsClientAtAnyMoment(t *testing.T) {
	for i := range 20 {
		cmd, pid := client(t)
		time.Sleep(time.Duration(i) * time.Millisecond) // from before the task has begun to well within it
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if !gone(pid, time.Second) {
			t.Errorf("kill %d: supervisor %d lives", i, pid)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func TestADetachedSandboxOutlivesItsClient(t *testing.T) {
	cmd, pid := client(t, "SANDBOX_TEST_DETACHED=1")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if gone(pid, 300*time.Millisecond) {
		t.Error("it died with its client")
	}
}
