package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// probe is a shell function: whether a device can be opened for reading and for writing, one word each.
const probe = `probe() {
	for mode in r w; do
		if [ $mode = r ]; then said=$( (exec 3< "$1") 2>&1 ); else said=$( (exec 3>> "$1") 2>&1 ); fi
		case "$?:$said" in
		0:*) echo "$1 $mode opened" ;;
		*"Operation not permitted"* | *"Permission denied"*) echo "$1 $mode denied" ;;
		*) echo "$1 $mode failed: $said" ;;
		esac
	done
}
`

// forbidden are devices that no container may open: kind, major, minor.
func forbidden(t testing.TB) [][3]string {
	t.Helper()
	all := [][3]string{
		{"b", "7", "0"},    // the first loop device
		{"b", "1", "0"},    // a disk in memory
		{"c", "1", "1"},    // /dev/mem
		{"c", "1", "11"},   // /dev/kmsg
		{"c", "10", "229"}, // /dev/fuse
		{"c", "10", "237"}, // /dev/loop-control
		{"c", "4", "0"},    // the console's terminal
	}
	// The disks of this machine.
	for _, name := range names(t, "/sys/class/block") {
		b, err := os.ReadFile(filepath.Join("/sys/class/block", name, "dev"))
		if err != nil {
			t.Fatal(err)
		}
		if major, minor, ok := strings.Cut(strings.TrimSpace(string(b)), ":"); ok && !strings.HasPrefix(name, "loop") {
			all = append(all, [3]string{"b", major, minor})
		}
	}
	return all
}

// deviceScript makes every forbidden device with mknod and tries to open it, and then those that Docker allows. In a user
// namespace none can be made.
func deviceScript(t testing.TB) (script string, want []string) {
	t.Helper()
	b := &strings.Builder{}
	b.WriteString(probe)
	mknod := func(path string, d [3]string, answer string) {
		fmt.Fprintf(b, "if mknod -m 666 %s %s %s %s 2>/dev/null; then probe %s; else ls %s 2>/dev/null; echo %s cannot be made; fi\n",
			path, d[0], d[1], d[2], path, path, path)
		if harness.Rootless() {
			want = append(want, path+" cannot be made")
			return
		}
		want = append(want, path+" r "+answer, path+" w "+answer)
	}
	for _, d := range forbidden(t) {
		mknod("/tmp/"+strings.Join(d[:], "-"), d, "denied")
	}
	mknod("/tmp/null", [3]string{"c", "1", "3"}, "opened")
	for _, path := range []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"} {
		fmt.Fprintf(b, "probe %s\n", path)
		want = append(want, path+" r opened", path+" w opened")
	}
	return b.String(), want
}

func TestADeviceMadeByMknodCannotBeOpened(t *testing.T) {
	script, want := deviceScript(t)
	root := harness.Project(t, "devices", map[string]string{
		"ci/docker/probe.sh":               script,
		"ci/docker/Dockerfile.build.tiny":  "FROM tiny\n",
		"ci/docker/Dockerfile.build.steps": "FROM tiny\nCOPY probe.sh /probe.sh\nRUN sh /probe.sh > /said\n",
	})
	store := harness.Store(t)
	for name, args := range map[string][]string{
		"in a run":      {"-p", "tiny", "sh", "/work/demo/ci/docker/probe.sh"},
		"in a RUN step": {"-p", "steps", "cat", "/said"},
	} {
		t.Run(name, func(t *testing.T) {
			r := harness.Command{Dir: root, Store: store, Args: args}.Must(t)
			mustSay(t, r.Stdout, want)
		})
	}
}

func TestADeviceThatAnImageShipsCannotBeOpened(t *testing.T) {
	rootfs := harness.TinyRoot(t)
	if err := os.Mkdir(filepath.Join(rootfs, "shipped"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := &strings.Builder{}
	script.WriteString(probe)
	var want []string
	for _, d := range forbidden(t) {
		path := "/shipped/" + strings.Join(d[:], "-")
		mknod(t, rootfs+path, d)
		fmt.Fprintf(script, "if [ -%s %s ]; then probe %s; else ls %s 2>/dev/null; echo %s is not there; fi\n", d[0], path, path, path, path)
		if harness.Rootless() { // no layer of theirs can have a device
			want = append(want, path+" is not there")
		} else {
			want = append(want, path+" r denied", path+" w denied")
		}
	}
	harness.Write(t, rootfs, map[string]string{"probe.sh": script.String()})
	archive := filepath.Join(harness.TempDir(t), "rootfs.tar")
	if out, err := exec.Command("tar", "-C", rootfs, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	for name, source := range map[string]string{"from a folder": rootfs, "from a tar": archive} {
		t.Run(name, func(t *testing.T) {
			store := harness.ColdStore(t)
			harness.Command{Store: store, Args: []string{"base", "add", "shipped", source}}.Must(t)
			root := harness.Project(t, "devices", map[string]string{
				"ci/docker/Dockerfile.build.plain": "FROM shipped\n",
				"ci/docker/Dockerfile.build.steps": "FROM shipped\nRUN sh /probe.sh > /said\n",
			})
			for platform, command := range map[string][]string{"plain": {"sh", "/probe.sh"}, "steps": {"cat", "/said"}} {
				r := harness.Command{Dir: root, Store: store, Args: append([]string{"-p", platform}, command...)}.Must(t)
				mustSay(t, r.Stdout, want)
			}
		})
	}
}

func mustSay(t testing.TB, said string, want []string) {
	t.Helper()
	got := strings.Split(strings.TrimSpace(said), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(got), len(want), said)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

func mknod(t testing.TB, path string, d [3]string) {
	t.Helper()
	var major, minor uint32
	if _, err := fmt.Sscan(d[1], &major); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(d[2], &minor); err != nil {
		t.Fatal(err)
	}
	kind := map[string]uint32{"b": unix.S_IFBLK, "c": unix.S_IFCHR}[d[0]]
	if err := unix.Mknod(path, kind|0o666, int(unix.Mkdev(major, minor))); err != nil {
		t.Fatalf("mknod %s: %v", path, err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
}
