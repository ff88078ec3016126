package embedded

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupDirs returns the folders that a cgroup of this name has in all hierarchies: below this process's own cgroup, as
// runc makes it for a relative path, or at the top of each hierarchy with absolute set. Formats: cgroups(7),
// proc_pid_mountinfo(5).
func cgroupDirs(name string, absolute bool) []string {
	own := ownCgroups()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer f.Close()
	var dirs []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 3 || (r[0] != "cgroup" && r[0] != "cgroup2") {
			continue
		}
		root, at := l[3], l[4]
		rel := "/"
		if !absolute {
			rel = ownPath(own, r[0], strings.Split(r[2], ","))
		}
		if rest, ok := strings.CutPrefix(rel, root); ok && root != "/" {
			rel = "/" + rest
		}
		dirs = append(dirs, filepath.Join(at, rel, name))
	}
	return dirs
}

// ownCgroups are the cgroups of this process: controllers ("" on cgroup v2) -> path.
func ownCgroups() map[string]string {
	own := map[string]string{}
	b, _ := os.ReadFile("/proc/self/cgroup") // none: a kernel without cgroups
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 {
			own[f[1]] = f[2]
		}
	}
	return own
}

// ownPath finds this process's cgroup in the hierarchy that is mounted with these options.
func ownPath(own map[string]string, fstype string, options []string) string {
	if fstype == "cgroup2" {
		return own[""]
	}
	for controllers, p := range own {
		for c := range strings.SplitSeq(controllers, ",") {
			for _, o := range options {
				if c == o {
					return p
				}
			}
		}
	}
	return "/"
}

// removeCgroups removes cgroups with all that is below them. Cgroups that still hold processes cannot be removed (EBUSY);
// those of killed ones go within milliseconds, so it tries again for a second at most. It returns what it removed.
func removeCgroups(dirs []string) (removed []string) {
	deadline := time.Now().Add(time.Second)
	for _, d := range dirs {
		for {
			err := removeCgroup(d)
			if err == nil {
				removed = append(removed, d)
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return removed
}

func anyExists(paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		_, err := os.Lstat(p)
		return err == nil
	})
}

func removeCgroup(dir string) error {
	err := unix.Rmdir(dir)
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	es, rerr := os.ReadDir(dir)
	if rerr != nil {
		return err
	}
	for _, e := range es {
		if e.IsDir() {
			_ = removeCgroup(filepath.Join(dir, e.Name()))
		}
	}
	return unix.Rmdir(dir)
}
