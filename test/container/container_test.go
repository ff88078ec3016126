// Package container tests caisson inside containers of other tools, and stores on file systems that cannot hold layers,
// which is what such a container offers.
package container

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const image = "localhost/caisson-test:tiny"

// limit is the longest that one container may take.
const limit = 2 * time.Minute

// docker is a daemon with the tiny image, and the words that begin `docker run` of it.
func docker(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "caisson") // sockets have room for few characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	client := harness.Docker(t, dir, "--bridge=none", "--iptables=false", "--ip6tables=false")
	archive := filepath.Join(dir, "root.tar")
	output(t, "tar", "-C", harness.TinyRoot(t), "-cf", archive, ".")
	output(t, append(client, "import", archive, image)...)
	return append(client, "run", "--rm", "--network", "none")
}

func output(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// inside runs a script in a container that has caisson, a project in /tree and a root file system in /root-of-tiny. It
// returns the script's status and all that it printed.
func inside(t *testing.T, run []string, options []string, script string) (int, string) {
	t.Helper()
	project := harness.Project(t, "tree", nil)
	argv := slices.Concat(run, options, []string{
		"-v", harness.Caisson(t) + ":/bin/caisson:ro", "-v", project + ":/tree", "-v", harness.TinyRoot(t) + ":/root-of-tiny:ro", "-w", "/tree",
		image, "sh", "-c", script,
	})
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%q: %v\n%s", argv, err, said.String())
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// asPrivileged is what --privileged means, as far as this machine has it: where root itself lacks a capability, Docker
// cannot give it, and refuses the word.
func asPrivileged(t *testing.T) []string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "CapBnd:")
	bounding, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	options := []string{
		"--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined", "--security-opt", "apparmor=unconfined",
		"--device-cgroup-rule", "a *:* rwm", "-v", "/sys/fs/cgroup:/sys/fs/cgroup",
	}
	for name, number := range map[string]int{
		"SYS_ADMIN": unix.CAP_SYS_ADMIN, "NET_ADMIN": unix.CAP_NET_ADMIN, "SYS_PTRACE": unix.CAP_SYS_PTRACE, "DAC_READ_SEARCH": unix.CAP_DAC_READ_SEARCH,
		"SYS_RESOURCE": unix.CAP_SYS_RESOURCE, "LINUX_IMMUTABLE": unix.CAP_LINUX_IMMUTABLE, "IPC_OWNER": unix.CAP_IPC_OWNER,
	} {
		if bounding&(1<<number) != 0 {
			options = append(options, "--cap-add", name)
		}
	}
	return options
}

const buildAndRun = "caisson base add tiny /root-of-tiny && caisson -p tiny && cat build/out && caisson -p tiny sh -c 'echo x > /etc/new; cat /etc/new; exit 7'"

func TestInAContainerOfDockersDefaultProfileTheMissingOptionIsNamed(t *testing.T) {
	harness.RootOnly(t, "the containers' user is root in both modes")
	run := docker(t)
	for _, command := range []string{"caisson -p tiny true", "caisson base add tiny /root-of-tiny"} {
		code, said := inside(t, run, nil, command)
		if code != 125 || !strings.Contains(said, "docker run --privileged") || !strings.Contains(said, "CAP_SYS_ADMIN") {
			t.Errorf("%s: status %d, want 125 with the option to give:\n%s", command, code, said)
		}
	}
	if code, said := inside(t, run, nil, "caisson doctor"); code == 0 || !strings.Contains(said, "NO  rights") {
		t.Errorf("doctor: status %d\n%s", code, said)
	}
}

func TestInAPrivilegedContainerItBuildsAndRuns(t *testing.T) {
	harness.RootOnly(t, "the containers' user is root in both modes")
	run := docker(t)
	volume := t.TempDir()
	for _, c := range []struct {
		name   string
		more   []string
		copies bool
	}{
		{"on the container's own overlay", nil, true},
		{"on a volume", []string{"-v", volume + ":/var/lib/caisson"}, false},
		{"elsewhere by CAISSON_STORE", []string{"-v", volume + ":/volume", "-e", "CAISSON_STORE=/volume/store"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, said := inside(t, run, append(asPrivileged(t), c.more...), buildAndRun)
			if code != 7 || !strings.Contains(said, "built\n") || !strings.Contains(said, "\nx\n") {
				t.Fatalf("status %d, want 7\n%s", code, said)
			}
			if note := strings.Contains(said, "lies on overlayfs, which cannot hold layers"); note != c.copies {
				t.Errorf("it says that the store cannot hold layers: %v, want %v\n%s", note, c.copies, said)
			}
		})
	}
}
