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
	cgroup string // as runc is told it; "" makes none
	userns string // a user namespace to join; "" is the sandbox's own
	// rootless: the sandbox's own is that of an ordinary user.
	rootless bool
}

// ociSpec is the runtime specification of a run. The container's process is caisson's init, as root; it makes the user
// known and starts the command as that user.
func ociSpec(r engine.RunSpec, p containerPaths) (*specs.Spec, error) {
	s := &specs.Spec{
		Version:  specs.Version,
		Hostname: r.Hostname,
		Root:     &specs.Root{Path: p.rootfs},
		Process: &specs.Process{
			Args: []string{initPath},
			Cwd:  "/",
			// The init's own: threads count towards a limit of processes, and without a HOME runc looks for one in the
			// image's /etc/passwd, which may be a FIFO.
			Env: []string{"PATH=" + defaultPath, "GOMAXPROCS=2", "HOME=/"},
			Capabilities: &specs.LinuxCapabilities{
				Bounding: defaultCaps, Effective: defaultCaps, Permitted: defaultCaps,
			},
		},
		Mounts: mounts(r, p),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
			},
			CgroupsPath:   p.cgroup,
			MaskedPaths:   maskedPaths,
			ReadonlyPaths: readonlyPaths,
			Resources: &specs.LinuxResources{
				// All devices are denied; runc then allows Docker's default list.
				Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}},
			},
		},
	}
	if p.rootless { // no device node can be made, so devices need no filter
		s.Linux.Resources.Devices = nil
	}
	if p.userns != "" {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: p.userns})
	}
	limitResources(r.Limits, s.Linux.Resources)
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

func mounts(r engine.RunSpec, p containerPaths) []specs.Mount {
	m := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", fmt.Sprintf("size=%d", r.ShmSize)}},
		bind(p.init, initPath, true),
	}
	m = append(m, sysMounts(p)...)
	for _, f := range []string{"resolv.conf", "hosts", "hostname"} {
		m = append(m, bind(p.files+"/"+f, "/etc/"+f, false))
	}
	for i, secret := range r.Secrets {
		m = append(m, bind(p.files+"/"+secretFile(i), "/run/secrets/"+secret.ID, true))
	}
	for _, v := range r.Mounts {
		m = append(m, bind(v.Source, v.Destination, v.ReadOnly))
	}
	return m
}

// sysMounts are /sys, and in it the container's own cgroup. In a user namespace nobody can mount a sysfs that shows the
// network of another one, and the container gets what is mounted, without the machine's cgroups.
func sysMounts(p containerPaths) []specs.Mount {
	safe := []string{"ro", "nosuid", "noexec", "nodev"}
	cgroup := specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: safe}
	if p.userns == "" && !p.rootless {
		return []specs.Mount{{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: safe}, cgroup}
	}
	if p.cgroup == "" {
		cgroup = specs.Mount{Destination: "/sys/fs/cgroup", Type: "tmpfs", Source: "tmpfs", Options: append(safe, "mode=755", "size=0")}
	}
	return []specs.Mount{{Destination: "/sys", Type: "bind", Source: "/sys", Options: append([]string{"rbind", "rro"}, safe...)}, cgroup}
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
