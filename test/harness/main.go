package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// insideVariable marks a test process whose mount namespace has the people of mode user.
const insideVariable = "CAISSON_TEST_INSIDE"

// homes is where mode user mounts a tmpfs of the test process alone: over a folder that every system has and where the
// tests need nothing.
func homes() string {
	for _, path := range []string{Root(), os.TempDir()} {
		if strings.HasPrefix(filepath.Clean(path), "/home/") {
			return "/mnt"
		}
	}
	return "/home"
}

// TesterHome is the home of Tester where AddTester has made it.
func TesterHome() string { return filepath.Join(homes(), Tester.Name) }

// reachable is the program under test where the tester can start it: a checkout may lie where others cannot go.
func reachable() string { return filepath.Join(homes(), "caisson") }

// Main is what TestMain of every package here calls; it returns the exit status. In mode user it starts the test program
// again, under the same process id, in a mount namespace where the machine has one more user with a home: the machine
// itself is not changed.
func Main(m *testing.M) int {
	switch mode := os.Getenv(modeVariable); {
	case mode != "" && mode != "root" && mode != "user":
		fmt.Fprintf(os.Stderr, "%s is %q, want root or user\n", modeVariable, mode)
		return 2
	case Rootless() && os.Getenv(insideVariable) == "":
		fmt.Fprintln(os.Stderr, "make an ordinary user for the tests:", enterMachine())
		return 1
	}
	return m.Run()
}

// enterMachine returns only on an error.
func enterMachine() error {
	if os.Geteuid() != 0 {
		return errNotRoot
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil { // of this thread, which execve(2) makes the only one
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := AddTester(); err != nil {
		return err
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), insideVariable+"=1"))
}

// AddTester makes the people of the tests known, and gives them a home, in the mount namespace of this thread, which must be
// the test's own.
func AddTester() error {
	for _, step := range []func() error{reachTemp, makeHome, makePeople} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// reachTemp checks that an ordinary user can enter the folder of temporary files.
func reachTemp() error {
	for dir := filepath.Clean(os.TempDir()); dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o005 != 0o005 {
			return fmt.Errorf("others cannot enter %s: set TMPDIR to a folder that they can", dir)
		}
	}
	return nil
}

// makeHome gives the tester a home that lies below .build, so that what is in its store serves the next tests too, and
// puts the program under test where the tester finds it.
func makeHome() error {
	home := filepath.Join(Root(), ".build", "test", "user")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	if err := os.Chown(home, Tester.UID, Tester.GID); err != nil {
		return err
	}
	bin, err := filepath.Abs(binary())
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", homes(), "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a folder of homes: %w", err)
	}
	if err := os.Mkdir(TesterHome(), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(reachable(), nil, 0o755); err != nil {
		return err
	}
	for target, source := range map[string]string{TesterHome(): home, reachable(): bin} {
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", target, err)
		}
	}
	return nil
}

// makePeople mounts copies of the machine's lists of users with more lines over them.
func makePeople() error {
	subordinate, err := freeIDs("/etc/subuid", "/etc/subgid")
	if err != nil {
		return err
	}
	own := fmt.Sprintf("%s:%d:65536\n", Tester.Name, subordinate)
	var passwd, group string
	for _, u := range []User{Tester, Newcomer} {
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", u.Name, u.UID, u.GID, TesterHome())
		group += fmt.Sprintf("%s:x:%d:\n", u.Name, u.GID)
	}
	for file, more := range map[string]string{"/etc/passwd": passwd, "/etc/group": group, "/etc/subuid": own, "/etc/subgid": own} {
		text, err := os.ReadFile(file)
		if os.IsNotExist(err) { // of subordinate ids, where an empty file says the same
			err = os.WriteFile(file, nil, 0o644)
		}
		if err != nil {
			return err
		}
		list := filepath.Join(homes(), ".etc-"+filepath.Base(file))
		if err := os.WriteFile(list, []byte(strings.TrimRight(string(text), "\n")+"\n"+more), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(list, file, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", file, err)
		}
	}
	return nil
}

// freeIDs returns the first id after all that these lists give to somebody.
func freeIDs(lists ...string) (int, error) {
	free := 524288
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil && !os.IsNotExist(err) {
			return 0, err
		}
		for line := range strings.Lines(string(text)) {
			var first, count int
			if _, ids, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				if _, err := fmt.Sscanf(ids, "%d:%d", &first, &count); err == nil {
					free = max(free, first+count)
				}
			}
		}
	}
	return free, nil
}
