package container

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// mountOverlay mounts one overlay for the time of the test and gives its root to who runs caisson.
func mountOverlay(t *testing.T) string {
	t.Helper()
	dir := harness.TempDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(in(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	options := "lowerdir=" + in("lower") + ",upperdir=" + in("upper") + ",workdir=" + in("work")
	if err := unix.Mount("overlay", in("merged"), "overlay", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, in("merged")) })
	return in("merged")
}

// mountFUSE mounts a folder over itself through a file system in user space, which like NFS cannot be the upper side of an
// overlay: its names may change behind the kernel's back.
func mountFUSE(t *testing.T) string {
	t.Helper()
	dir := harness.TempDir(t)
	real, seen := filepath.Join(dir, "real"), filepath.Join(dir, "seen")
	for _, d := range []string{real, seen} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("bindfs", "-o", "allow_other", real, seen).CombinedOutput(); err != nil {
		t.Fatalf("bindfs (package bindfs): %v\n%s", err, out)
	}
	t.Cleanup(func() { unmount(t, seen) })
	return seen
}

func unmount(t *testing.T, dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

func TestAStoreThatCannotHoldLayersIsSaidAndWorks(t *testing.T) {
	for _, c := range []struct {
		name, system string
		mount        func(*testing.T) string
	}{
		{"overlayfs", "overlayfs", mountOverlay},
		{"a network file system", "FUSE", mountFUSE},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := c.mount(t)
			harness.Give(t, harness.Runner(), at)
			project := harness.Project(t, "tree", map[string]string{
				"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN mkdir /d && touch /d/old\nRUN rm -r /d && mkdir /d && touch /d/new\n",
			})
			root := harness.TinyRoot(t)
			for _, by := range []harness.Command{
				{Dir: project, Store: filepath.Join(at, "store")},
				{Dir: project, Store: "/nonexistent", Args: []string{"--store", filepath.Join(at, "store2")}},
			} {
				flags := by.Args
				if by.Store != "/nonexistent" {
					by.Args = []string{"base", "add", harness.Tiny, root}
				} else {
					by.Args = append([]string{"base", "add"}, append(flags, harness.Tiny, root)...)
				}
				by.Must(t)
				by.Args = append(flags, "-p", "tiny", "sh", "-c", "ls /d; echo x > /tmp/new && cat /tmp/new")
				r := by.Must(t)
				if r.Stdout != "new\nx\n" {
					t.Errorf("it printed %q", r.Stdout)
				}
				if !strings.Contains(r.Stderr, "lies on "+c.system+", which cannot hold layers") || !strings.Contains(r.Stderr, "--store or CAISSON_STORE") {
					t.Errorf("it does not say so:\n%s", r.Stderr)
				}
			}
		})
	}
}

// A caisson run has Docker's default profile.
func TestInARunOfCaissonItself(t *testing.T) {
	project := harness.Project(t, "tree", nil)
	program, err := os.ReadFile(harness.Caisson(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(project, "caisson")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	r := harness.Command{Dir: project, Store: harness.Store(t), Args: []string{"-p", "tiny", "/work/demo/caisson", "-C", "/work/demo", "--store", "/tmp/store", "-p", "tiny", "true"}}.Run(t)
	if r.Code != 125 || !strings.Contains(r.Stderr, "caisson:") {
		t.Errorf("status %d, want 125\n%s", r.Code, r.Stderr)
	}
	for _, words := range []string{"--privileged", "subordinate ids"} {
		if strings.Contains(r.Stderr, words) {
			return
		}
	}
	t.Errorf("it does not say what it needs:\n%s", r.Stderr)
}
