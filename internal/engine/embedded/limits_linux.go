package embedded

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"caisson/internal/engine"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cgroupPlace is where a run's cgroup is made.
type cgroupPlace struct {
	path string   // as runc is told it; "" makes none
	dirs []string // the folders that it gets, absolute
}

// placeCgroup finds the place of a run's cgroup: below the caller's own, so that limits of the caller hold for the run.
// On cgroup v2 limits need a cgroup that has no processes of its own, which is the nearest such one above. An ordinary
// user has a cgroup only for the sake of limits, and only where one was delegated to them.
func placeCgroup(id string, limits engine.Limits) (cgroupPlace, error) {
	name := cgroupName(id)
	switch {
	case !limits.Any() && rootless():
		return cgroupPlace{}, nil
	case !limits.Any():
		return cgroupPlace{path: name, dirs: cgroupDirs(name, false)}, nil
	case !pureV2():
		if rootless() {
			return cgroupPlace{}, &limitsError{limits, "an ordinary user cannot have a limit on this machine, whose cgroups are of version 1", "run it by sudo"}
		}
		return cgroupPlace{path: name, dirs: cgroupDirs(name, false)}, nil
	}
	parent, err := parentFor(cgroupRoot, ownPath(ownCgroups(), "cgroup2", nil), controllers(limits))
	if err != nil {
		next := "run it by sudo, or in a cgroup that systemd delegates: systemd-run --user --scope caisson …"
		if !rootless() {
			next = "inside a container: give it --privileged --cgroupns=host"
		}
		return cgroupPlace{}, &limitsError{limits, err.Error(), next}
	}
	path := filepath.Join(parent, name)
	return cgroupPlace{path: path, dirs: []string{filepath.Join(cgroupRoot, path)}}, nil
}

// limitsError: a limit was asked for that cannot be had. It is never left out silently.
type limitsError struct {
	limits       engine.Limits
	reason, next string
}

func (e *limitsError) Error() string {
	return fmt.Sprintf("%s: %s; %s", strings.Join(limitFlags(e.limits), ", "), e.reason, e.next)
}

func limitFlags(l engine.Limits) []string { return limited(l, "--cpus", "--memory", "--pids") }

func controllers(l engine.Limits) []string { return limited(l, "cpu", "memory", "pids") }

// limited picks, of a name for each limit, those of the limits that are set.
func limited(l engine.Limits, cpus, memory, pids string) (names []string) {
	if l.CPUs != 0 {
		names = append(names, cpus)
	}
	if l.Memory != 0 {
		names = append(names, memory)
	}
	if l.PIDs != 0 {
		names = append(names, pids)
	}
	return names
}

const cgroupRoot = "/sys/fs/cgroup"

func pureV2() bool {
	var st unix.Statfs_t
	return unix.Statfs(cgroupRoot, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// parentFor returns the cgroup, own or the nearest above it, in which a cgroup with these controllers can be made. It has no
// processes of its own (cgroups(7), "no internal processes"): for some controllers the kernel does not insist on that, but
// then gives its children threads instead of processes.
func parentFor(root, own string, need []string) (string, error) {
	var last error
	for dir := own; ; dir = filepath.Dir(dir) {
		err := enable(filepath.Join(root, dir), need)
		if err == nil {
			return dir, nil
		}
		if last == nil || !errors.Is(err, unix.EACCES) {
			last = err
		}
		if dir == "/" || dir == "." {
			return "", last
		}
	}
}

// enable makes controllers available to the children of a cgroup, unless they are.
func enable(dir string, need []string) error {
	for _, file := range []string{dir, filepath.Join(dir, "cgroup.procs"), filepath.Join(dir, "cgroup.subtree_control")} {
		if err := unix.Access(file, unix.W_OK); err != nil {
			return fmt.Errorf("no cgroup can be made in %s: %w", dir, err)
		}
	}
	if err := isFree(dir); err != nil {
		return err
	}
	missing, err := lacking(filepath.Join(dir, "cgroup.subtree_control"), need)
	if err != nil || len(missing) == 0 {
		return err
	}
	absent, err := lacking(filepath.Join(dir, "cgroup.controllers"), missing)
	if err != nil {
		return err
	}
	if len(absent) > 0 {
		return fmt.Errorf("%s has no controller for %s", dir, strings.Join(absent, ", "))
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+strings.Join(missing, " +")), 0o644)
}

// isFree returns an error for a cgroup with processes of its own. The topmost one may have them; it alone has no type.
func isFree(dir string) error {
	kind, err := os.ReadFile(filepath.Join(dir, "cgroup.type"))
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if kind := strings.TrimSpace(string(kind)); kind != "domain" {
		return fmt.Errorf("%s is for threads (%s), so cgroups in it cannot have limits", dir, kind)
	}
	processes, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err == nil && len(processes) > 0 {
		err = fmt.Errorf("%s has processes of its own, so cgroups in it cannot have limits", dir)
	}
	return err
}

// lacking returns the names that a file with a list of controllers does not have.
func lacking(file string, names []string) (missing []string, err error) {
	list, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	has := strings.Fields(string(list))
	for _, name := range names {
		if !slices.Contains(has, name) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

// cpuPeriod is the time, in microseconds, over which processor time is shared out: the kernel's default.
const cpuPeriod = 100_000

// initThreads are more than runc's and caisson's first processes have: threads count as processes, and a Go program that
// cannot start one ends.
const initThreads = 16

// limitResources are the limits in the runtime specification's words. Swap counts as memory: a build that swaps is not
// what a limit is for.
func limitResources(l engine.Limits, r *specs.LinuxResources) {
	if l.Memory != 0 {
		r.Memory = &specs.LinuxMemory{Limit: &l.Memory}
		if swapAccounted() {
			r.Memory.Swap = &l.Memory // of memory and swap together
		}
	}
	if l.CPUs != 0 {
		period, quota := uint64(cpuPeriod), int64(math.Max(1000, math.Round(l.CPUs*cpuPeriod)))
		r.CPU = &specs.LinuxCPU{Period: &period, Quota: &quota}
	}
	if l.PIDs != 0 {
		limit := l.PIDs + initThreads
		r.Pids = &specs.LinuxPids{Limit: &limit}
	}
}

// swapAccounted: on cgroup v2 always, on v1 where the kernel was told to.
func swapAccounted() bool {
	if pureV2() {
		return true
	}
	_, err := os.Stat(filepath.Join(cgroupRoot, "memory", "memory.memsw.limit_in_bytes"))
	return err == nil
}
