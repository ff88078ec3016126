package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/payload"

	"golang.org/x/sys/unix"
)

// Check is one thing that this engine needs of a machine, or would like to have.
type Check struct {
	Name string
	OK   bool
	// Optional: without it the engine works, with less.
	Optional bool
	Found    string // what there is
	Next     string // what to do where it is not OK
}

// Checks looks at what the engine needs on this machine. It starts a sandbox, if it can.
func Checks(_ context.Context, storeDir string) []Check {
	checks := []Check{checkRights(), checkKernel(), checkSeccomp(), checkCgroup(), checkPayload(), checkStore(storeDir)}
	if !checks[0].OK { // no sandbox can be tried
		return checks
	}
	return append(checks, checkSandbox(storeDir), checkNetwork(), checkEmulators(Store(storeDir)))
}

func checkKernel() Check {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Check{Name: "kernel", Found: err.Error(), Next: "Linux 5.10 or newer is needed"}
	}
	release := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor)
	return Check{Name: "kernel", OK: major > 5 || major == 5 && minor >= 10, Found: "Linux " + release, Next: "Linux 5.10 or newer is needed"}
}

func checkSeccomp() Check {
	_, err := os.Stat("/proc/sys/kernel/seccomp/actions_avail")
	c := Check{Name: "seccomp", OK: err == nil, Found: "system call filters", Next: "use a kernel with CONFIG_SECCOMP_FILTER"}
	if err != nil {
		c.Found = "the kernel has no system call filters"
	}
	return c
}

func checkCgroup() Check {
	if rootless() {
		return Check{Name: "devices", OK: true, Found: "no device node can be made in a user namespace"}
	}
	c := Check{Name: "devices", Next: "mount the cgroup file systems (cgroup v2, or the v1 devices controller); inside a container: --privileged"}
	for _, d := range cgroupDirs("caisson-check", false) {
		if err := os.Mkdir(d, 0o755); err == nil {
			_ = os.Remove(d)
			if strings.Contains(d, "devices") {
				c.OK, c.Found = true, "device cgroup (v1)"
			}
		}
	}
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		c.OK, c.Found = true, "device filter (cgroup v2)"
	}
	if !c.OK {
		c.Found = "no device cgroup can be made"
	}
	return c
}

func checkPayload() Check {
	ps, err := payload.Programs()
	if err != nil {
		return Check{Name: "programs", Found: err.Error(), Next: "build caisson with `make`"}
	}
	var names []string
	for _, p := range ps {
		names = append(names, p.Name+" "+p.Version)
	}
	return Check{Name: "programs", OK: true, Found: strings.Join(names, ", ")}
}

// lowSpace is the free space below which builds are likely to fail.
const lowSpace = 2 << 30

func checkStore(dir string) Check {
	c := Check{Name: "store", Next: "name another folder with --store or CAISSON_STORE"}
	at := dir
	for {
		if _, err := os.Stat(at); err == nil || at == "/" || at == "." {
			break
		}
		at = filepath.Dir(at)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(at, &st); err != nil {
		c.Found = fmt.Sprintf("%s: %v", dir, err)
		return c
	}
	free := int64(st.Bavail) * st.Bsize
	c.Found = fmt.Sprintf("%s, %.1f GB free", dir, float64(free)/1e9)
	switch {
	case unix.Access(at, unix.W_OK) != nil:
		c.Found += ", cannot be written"
	case free < lowSpace:
		c.Next = "free some space; `caisson clean --images` drops what no run uses"
	default:
		c.OK = true
	}
	return c
}
