package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of so many megabytes and returns it with a store on it that has the tiny base.
func smallDisk(t testing.TB, megabytes int) (disk, store string) {
	t.Helper()
	disk = filepath.Join(harness.TempDir(t), "disk")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", disk, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=755", megabytes)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	store = filepath.Join(disk, "store")
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	harness.Give(t, harness.Runner(), disk)
	harness.Command{Store: store, Args: []string{"base", "add", harness.Tiny, harness.TinyRoot(t)}}.Must(t)
	return disk, store
}

// fill takes all space of a disk but for so many bytes; free gives it back.
func fill(t testing.TB, disk string, leave int64) (free func()) {
	t.Helper()
	path := filepath.Join(disk, "ballast")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	if size := int64(st.Bavail)*st.Bsize - leave; size > 0 {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// mustComplain checks a failure by a full disk: its status and that it names the disk's trouble and what to do.
func mustComplain(t testing.TB, r harness.Result, words ...string) {
	t.Helper()
	if r.Code != 125 {
		t.Errorf("status %d, want 125", r.Code)
	}
	var missing []string
	for _, w := range words {
		if !strings.Contains(strings.ToLower(r.Stderr), strings.ToLower(w)) {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		t.Errorf("it does not say %q:\n%s", missing, r.Stderr)
	}
}

func TestAFullDiskIsSaidAndBreaksNothingOfANewStore(t *testing.T) {
	for _, leave := range some([]int64{0, 12 << 20}) { // the programs do not fit; an image does not
		t.Run(fmt.Sprintf("with %d KB left", leave>>10), func(t *testing.T) {
			disk, store := smallDisk(t, 150)
			root := harness.Project(t, "full", map[string]string{"ci/docker/Dockerfile.build.tiny": bigStep(0)})
			free := fill(t, disk, leave)
			r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}.Run(t)
			mustComplain(t, r, "no space left on device", "free some space", "--store")
			free()
			works(t, root, store)
		})
	}
}

func TestAFullDiskIsSaidAndBreaksNothingOfAStoreInUse(t *testing.T) {
	disk, store := smallDisk(t, 150)
	root := harness.Project(t, "full", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo built > /built\n"})
	works(t, root, store)
	for i, leave := range some([]int64{64 << 10, 0, 4 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20}) {
		t.Run(fmt.Sprintf("with %d KB left", leave>>10), func(t *testing.T) {
			watch(t, store).mustGo(time.Now(), "the builder")
			write(t, filepath.Join(root, "ci/docker/Dockerfile.build.more"), bigStep(i))
			free := fill(t, disk, leave)
			r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "more", "-b"}}.Run(t)
			mustComplain(t, r, "no space left on device", "free some space", "--store")
			free()
			if r := (harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "-b"}}).Must(t); strings.Contains(r.Stderr, "building") {
				t.Errorf("the image that was there is built anew:\n%s", r.Stderr)
			}
			if r := (harness.Command{Dir: root, Store: store, Args: []string{"-p", "more", "cat", "/step"}}).Must(t); r.Stdout != fmt.Sprintf("step %d\n", i) {
				t.Errorf("with space again: stdout %q\n%s", r.Stdout, r.Stderr)
			}
			if aside, _ := filepath.Glob(filepath.Join(store, "*.damaged-*")); len(aside) != 0 {
				t.Errorf("moved aside: %q", aside)
			}
			works(t, root, store)
			harness.Command{Store: store, Args: []string{"clean"}}.Must(t)
		})
	}
}

// bigStep is a Dockerfile that needs 8 MB of space. No two of them are alike.
func bigStep(n int) string {
	return fmt.Sprintf("FROM tiny\nRUN echo built > /built; echo step %d > /step; dd if=/dev/urandom of=/big bs=64k count=128\n", n)
}

// works checks that after the disk has space again everything does.
func works(t testing.TB, root, store string) {
	t.Helper()
	r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}.Must(t)
	if r.Stdout != "built\n" {
		t.Errorf("with space again: stdout %q", r.Stdout)
	}
	tr := watch(t, store)
	tr.mustBeSwept()
	mustHaveNoBundles(t, store)
}

func TestARunThatFillsTheDiskFailsAloneAndLeavesNothing(t *testing.T) {
	disk, store := smallDisk(t, 150)
	root := harness.Project(t, "full", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo built > /built\n"})
	works(t, root, store)
	r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "sh", "-c", "cat /dev/zero > /tmp/big; echo status $?; exit 7"}}.Run(t)
	if r.Code != 7 || r.Stdout != "status 1\n" || !strings.Contains(r.Stderr, "No space left on device") {
		t.Errorf("status %d, stdout %q, stderr:\n%s", r.Code, r.Stdout, r.Stderr)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(disk, &st); err != nil {
		t.Fatal(err)
	}
	if left := int64(st.Bavail) * st.Bsize; left < 10<<20 {
		t.Errorf("%d bytes left: the run's layer is still there", left)
	}
	works(t, root, store)
}

func TestARunOnAFullDiskIsRefusedOrWorks(t *testing.T) {
	disk, store := smallDisk(t, 150)
	root := harness.Project(t, "full", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo built > /built\n"})
	works(t, root, store)
	free := fill(t, disk, 0)
	r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}.Run(t)
	if r.Code != 0 || r.Stdout != "built\n" {
		mustComplain(t, r, "no space left on device", "free")
	}
	free()
	works(t, root, store)
}

func TestAStoreThatCannotBeWrittenIsSaid(t *testing.T) {
	disk, store := smallDisk(t, 150)
	root := harness.Project(t, "readonly", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo built > /built\n"})
	works(t, root, store)
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", disk, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	watch(t, store).mustGo(time.Now(), "the builder")
	remount(unix.MS_RDONLY)
	t.Cleanup(func() { _ = unix.Mount("", disk, "", unix.MS_REMOUNT, "") })
	for name, args := range map[string][]string{
		"a run":                 {"-p", "tiny", "true"},
		"a build":               {"-p", "tiny", "-b", "--no-cache"},
		"a new base":            {"base", "add", "other", harness.TinyRoot(t)},
		"clean":                 {"clean"},
		"a run in a new store":  {"--store", filepath.Join(disk, "new"), "-p", "tiny", "true"},
		"one in a deeper store": {"--store", filepath.Join(disk, "new/and/deeper"), "-p", "tiny", "true"},
	} {
		t.Run(name, func(t *testing.T) {
			r := harness.Command{Dir: root, Store: store, Args: args}.Run(t)
			mustComplain(t, r, disk, "read-only file system", "--store")
		})
	}
	remount(0)
	works(t, root, store)
}

func TestSomebodyElsesStoreIsRefused(t *testing.T) {
	store := filepath.Join(harness.TempDir(t), "store")
	if err := os.Mkdir(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(store, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	root := harness.Project(t, "elses", nil)
	r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "true"}}.Run(t)
	mustComplain(t, r, store, "belongs to uid 1234", "--store")
	if left := names(t, store); len(left) != 0 {
		t.Errorf("it was written to: %q", left)
	}
}
