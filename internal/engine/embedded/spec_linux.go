package embedded

import (
	"fmt"
	"slices"
	"strings"

	"caisson/internal/engine"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// initPath is where a container finds its PID 1: below /dev, which is a fresh tmpfs that no image can prepare.
const initPath = "/dev/caisson-init"

// defaultCaps are Docker's default capabilities and SYS_PTRACE, which sanitizers and debuggers need.
// Source: https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities
var defaultCaps = []string{
	"CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD",
	"CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
}

// maskedPaths and readonlyPaths are Docker's.
var (
	maskedPaths = []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// containerPaths are the files that make a container, inside its sandbox.
type containerPaths struct {
	rootfs string
	files  string // folder with resolv.conf, hosts and hostname
	init   string // the program that becomes PID 1
}

// ociSpec is the runtime specification of a run. The container's process is caisson's init, as root; it makes the user
// known and starts the command as that user.
func ociSpec(r engine.RunSpec, p containerPaths, rootless bool) (*specs.Spec, error) {
	s := &specs.Spec{
		Version:  specs.Version,
		Hostname: r.Hostname,
		Root:     &specs.Root{Path: p.rootfs},
		Process: &specs.Process{
			Args: []string{initPath},
			Cwd:  "/",
			Env:  []string{"PATH=" + defaultPath},
			Capabilities: &specs.LinuxCapabilities{
				Bounding: defaultCaps, Effective: defaultCaps, Permitted: defaultCaps,
			},
		},
		Mounts: mounts(r, p, rootless),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
			},
			CgroupsPath:   cgroupName(r.ID),
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
			Resources: &specs.LinuxResources{
				// All devices are denied; runc then allows Docker's default list.
				Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
			},
		},
	}
	if rootless { // no cgroup can be made; no device node either, so devices need no filter
		s.Linux.CgroupsPath, s.Linux.Resources = "", nil
	}
	profile, err := seccomp.GetDefaultProfile(s)
	if err != nil {
		return nil, fmt.Errorf("make seccomp profile: %w", err)
	}
	s.Linux.Seccomp = profile
	return s, nil
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// cgroupName is relative: runc puts it below the cgroup that it runs in, so that limits on the caller hold for the run.
func cgroupName(id string) string { return "caisson-" + id }

func mounts(r engine.RunSpec, p containerPaths, rootless bool) []specs.Mount {
	m := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", r.ShmSize)}},
		bind(p.init, initPath, true),
	}
	m = append(m, sysMounts(rootless)...)
	for _, f := range []string{"resolv.conf", "hosts", "hostname"} {
		m = append(m, bind(p.files+"/"+f, "/etc/"+f, false))
	}
	for _, v := range r.Mounts {
		m = append(m, bind(v.Source, v.Destination, v.ReadOnly))
	}
	return m
}

// sysMounts: an ordinary user cannot mount a sysfs that shows the network of this machine, and gets what is mounted.
func sysMounts(rootless bool) []specs.Mount {
	if rootless {
		return []specs.Mount{{Destination: "/sys", Type: "bind", Source: "/sys", Options: []string{"rbind", "nosuid", "noexec", "nodev", "ro", "rro"}}}
	}
	return []specs.Mount{
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}},
	}
}

func bind(source, destination string, readOnly bool) specs.Mount {
	options := []string{"rbind", "rprivate"}
	if readOnly {
		options = append(options, "ro")
	} // never "rw": runc would make writable what is mounted read-only on this machine
	return specs.Mount{Destination: destination, Type: "bind", Source: source, Options: options}
}

// commandLine applies the rules of ENTRYPOINT and CMD: a command replaces CMD, ENTRYPOINT stays before either.
func commandLine(r engine.RunSpec) ([]string, error) {
	rest := r.Command
	if len(rest) == 0 {
		rest = r.Image.Config.Cmd
	}
	args := append(append([]string{}, r.Image.Config.Entrypoint...), rest...)
	if len(args) == 0 && r.NoCommandShell {
		return []string{"/bin/sh"}, nil
	}
	if len(args) == 0 {
		return nil, &engine.StartError{Reason: "the image " + r.Image.Name + " has neither ENTRYPOINT nor CMD, and no command was given"}
	}
	return args, nil
}

// environment is the image's ENV, then the proxies, then the run's; of two values of a name the later one holds.
func environment(r engine.RunSpec, proxies []string) []string {
	var env []string
	at := map[string]int{}
	for _, kv := range slices.Concat([]string{"PATH=" + defaultPath, "HOSTNAME=" + r.Hostname}, r.Image.Config.Env, proxies, r.Env) {
		name, _, _ := strings.Cut(kv, "=")
		if i, ok := at[name]; ok {
			env[i] = kv
			continue
		}
		at[name] = len(env)
		env = append(env, kv)
	}
	return env
}
