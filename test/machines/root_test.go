package machines

import (
	"fmt"
	"strings"
	"testing"

	"caisson/test/machines/machine"
)

// probe makes a node with the number of the machine's disk, reads from it and says how that went: "read" or the reason.
// It lies at the top, where no mount says nodev.
const probe = `mknod /disk b $1 $2
if said=$(head -c 1 /disk 2>&1 >/dev/null); then echo read; else echo "${said##*: }"; fi
echo none >/dev/null && echo null written
`

func TestRootRunsCaissonWhereThereIsCgroupV2Alone(t *testing.T) {
	m := machine.Boot(t, machine.Options{})
	m.PutCaisson(t)
	t.Run("the machine has cgroup v2 alone", func(t *testing.T) {
		equal(t, m.Must(t, machine.Shell("stat -f -c %T /sys/fs/cgroup; cat /proc/self/cgroup")).Stdout, "cgroup2fs\n0::/\n")
	})
	t.Run("doctor finds all that is needed", func(t *testing.T) {
		out := m.Must(t, caisson("/", "doctor")).Stdout
		for _, want := range []string{"ok  devices      device filter (cgroup v2)", "ok  sandbox ", "\nengine: embedded, since "} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q:\n%s", want, out)
			}
		}
	})
	m.Must(t, caisson("/", "base", "add", "tiny", m.PutTiny(t)))
	root := m.PutProject(t, "demo", nil)
	t.Run("a run has the command's status", func(t *testing.T) {
		m.Must(t, caisson(root, "-p", "tiny", "true"))
		for command, want := range map[string]int{"exit 7": 7, "kill -TERM $$": 128 + 15} {
			if r := m.Run(t, caisson(root, "-p", "tiny", "sh", "-c", command)); r.Code != want {
				t.Errorf("%s: status %d, want %d: %s", command, r.Code, want, r.Stderr)
			}
		}
	})
	t.Run("a run builds", func(t *testing.T) {
		m.Must(t, caisson(root, "-p", "tiny"))
		equal(t, m.Must(t, machine.Shell("cat "+root+"/build/out")).Stdout, "built\n")
	})
	t.Run("the machine's disk cannot be read from a run or a RUN step", func(t *testing.T) { theDiskIsClosed(t, m) })
	t.Run("no cgroup is left", func(t *testing.T) {
		equal(t, m.Must(t, machine.Shell("find /sys/fs/cgroup -name 'caisson*'")).Stdout, "")
	})
}

// theDiskIsClosed compares the same node inside and outside of a run: outside root can read it, so it is the device filter
// that refuses.
func theDiskIsClosed(t *testing.T, m *machine.Machine) {
	t.Helper()
	device := m.Must(t, machine.Shell("cat /sys/class/block/nvme0n1/dev")).Stdout
	major, minor, ok := strings.Cut(strings.TrimSpace(device), ":")
	if !ok {
		t.Fatalf("the number of the disk is %q", device)
	}
	root := m.PutProject(t, "devices", map[string]string{
		"ci/docker/probe.sh":               probe,
		"ci/docker/Dockerfile.build.steps": fmt.Sprintf("FROM tiny\nCOPY probe.sh /probe.sh\nRUN sh /probe.sh %s %s >/said\n", major, minor),
	})
	script := root + "/ci/docker/probe.sh"
	equal(t, m.Must(t, machine.Command{Args: []string{"sh", script, major, minor}}).Stdout, "read\nnull written\n")
	const closed = "Operation not permitted\nnull written\n"
	equal(t, m.Must(t, caisson(root, "-p", "tiny", "sh", "/work/demo/ci/docker/probe.sh", major, minor)).Stdout, closed)
	equal(t, m.Must(t, caisson(root, "-p", "steps", "cat", "/said")).Stdout, closed)
}

// caisson is a command line of the program, in a folder of the machine.
func caisson(dir string, args ...string) machine.Command {
	return machine.Command{Dir: dir, Args: append([]string{machine.Caisson}, args...)}
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
