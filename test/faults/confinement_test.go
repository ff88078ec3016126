package faults

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// Docker's default capabilities as bits of capabilities(7), without and with SYS_PTRACE.
// Source: https://docs.docker.com/engine/containers/run/#runtime-privilege-and-linux-capabilities
const (
	dockerCaps = uint64(1<<unix.CAP_AUDIT_WRITE | 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER | 1<<unix.CAP_FSETID |
		1<<unix.CAP_KILL | 1<<unix.CAP_MKNOD | 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SETFCAP |
		1<<unix.CAP_SETGID | 1<<unix.CAP_SETPCAP | 1<<unix.CAP_SETUID | 1<<unix.CAP_SYS_CHROOT)
	runCaps = dockerCaps | 1<<unix.CAP_SYS_PTRACE
)

// place is where a process is confined.
type place struct {
	name       string
	tree       harness.Tree
	step, root bool // a RUN step, a run as root; else a run as an ordinary user
}

// places are a run of each kind of caller that this mode has, and a RUN step.
func places(t testing.TB, files map[string]string) (all []place) {
	t.Helper()
	if !harness.Rootless() { // only root's runs are root's
		all = append(all, place{name: "in a run as root", tree: harness.NewTree(t, files), root: true})
	}
	return append(all,
		place{name: "in a run as an ordinary user", tree: harness.NewTree(t, files).Owned(t)},
		place{name: "in a RUN step", tree: harness.NewTree(t, files), step: true})
}

func TestCapabilitiesAreDockersAndPtrace(t *testing.T) {
	for _, p := range places(t, map[string]string{
		"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN cat /proc/self/status > /status\n",
	}) {
		t.Run(p.name, func(t *testing.T) {
			held, bounding, args := uint64(0), runCaps, []string{"-p", "tiny", "cat", "/proc/self/status"}
			switch {
			case p.step:
				held, bounding, args = dockerCaps, dockerCaps, []string{"-p", "steps", "cat", "/status"}
			case p.root:
				held = runCaps
			}
			status := p.tree.Must(t, args...).Stdout
			for field, want := range map[string]string{
				"CapEff": hex(held), "CapPrm": hex(held), "CapBnd": hex(bounding), "CapInh": hex(0), "CapAmb": hex(0), "Seccomp": "2",
			} {
				if got := statusField(t, status, field); got != want {
					t.Errorf("%s is %s, want %s", field, got, want)
				}
			}
			if got := statusField(t, status, "NoNewPrivs"); !p.step && got != "0" {
				t.Errorf("NoNewPrivs is %s: sudo would not work", got)
			}
		})
	}
}

func hex(bits uint64) string { return fmt.Sprintf("%016x", bits) }

func statusField(t testing.TB, status, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + `:\s+(\S+)$`).FindStringSubmatch(status)
	if m == nil {
		t.Fatalf("no %s in the status:\n%s", name, status)
	}
	return m[1]
}

// calls are system calls with arguments that would do no harm, and what Docker's profile makes of them without further
// capabilities. A kernel without the filter would answer otherwise, but for what the missing capability forbids.
var calls = []struct {
	name string
	nr   int
	args []string // in perl
	want string
}{
	{"keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING)", unix.SYS_KEYCTL, []string{"0", "-3", "0"}, "EPERM"},
	{"add_key", unix.SYS_ADD_KEY, []string{`"user"`, `"x"`, `"y"`, "1", "-3"}, "EPERM"},
	{"request_key", unix.SYS_REQUEST_KEY, []string{`"user"`, `"x"`, "0", "-3"}, "EPERM"},
	{"unshare(CLONE_NEWNS)", unix.SYS_UNSHARE, []string{fmt.Sprint(unix.CLONE_NEWNS)}, "EPERM"},
	{"unshare(CLONE_NEWUSER)", unix.SYS_UNSHARE, []string{fmt.Sprint(unix.CLONE_NEWUSER)}, "EPERM"},
	{"mount", unix.SYS_MOUNT, []string{`"none"`, `"/tmp"`, `"tmpfs"`, "0", "0"}, "EPERM"},
	{"umount2", unix.SYS_UMOUNT2, []string{`"/proc"`, "2"}, "EPERM"},
	{"fsopen", unix.SYS_FSOPEN, []string{`"tmpfs"`, "0"}, "EPERM"},
	{"setns", unix.SYS_SETNS, []string{"0", "0"}, "EPERM"},
	{"bpf", unix.SYS_BPF, []string{"0", "0", "0"}, "EPERM"},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, []string{"0", "0", "-1", "-1", "0"}, "EPERM"},
	{"userfaultfd", unix.SYS_USERFAULTFD, []string{"0"}, "EPERM"},
	{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, []string{"-1", "0", "0"}, "EPERM"},
	{"kexec_load", unix.SYS_KEXEC_LOAD, []string{"0", "0", "0", "0"}, "EPERM"},
	{"init_module", unix.SYS_INIT_MODULE, []string{"0", "0", "0"}, "EPERM"},
	{"reboot", unix.SYS_REBOOT, []string{"0", "0", "0", "0"}, "EPERM"},
	{"swapon", unix.SYS_SWAPON, []string{`"/x"`, "0"}, "EPERM"},
	{"acct", unix.SYS_ACCT, []string{"0"}, "EPERM"},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, []string{"1", "0"}, "EPERM"},
	{"ptrace(PTRACE_TRACEME), which debuggers need", unix.SYS_PTRACE, []string{"0", "0", "0", "0"}, "0"},
	{"getpid, which everybody needs", unix.SYS_GETPID, nil, "0"},
}

// perlScript makes the calls and prints "name: errno". Perl is the one interpreter that every Debian has.
func perlScript() string {
	b := &strings.Builder{}
	b.WriteString("use Errno; my %names = map { Errno->can($_)->() => $_ } keys %!;\n")
	for _, c := range calls {
		args := ""
		for i, arg := range c.args { // perl wants variables, since a call may write to its argument
			fmt.Fprintf(b, "$a%d = %s; ", i, arg)
			args += fmt.Sprintf(", $a%d", i)
		}
		fmt.Fprintf(b, "$! = 0; $r = syscall(%d%s); print '%s: ', ($r == -1 ? $names{$!+0} : 0), \"\\n\";\n", c.nr, args, c.name)
	}
	return b.String()
}

func TestSystemCallsThatDockerBlocksAreBlocked(t *testing.T) {
	for _, p := range places(t, map[string]string{
		"ci/docker/calls.pl":               perlScript(),
		"ci/docker/Dockerfile.build.runs":  "FROM " + harness.Debian + "\n",
		"ci/docker/Dockerfile.build.steps": "FROM " + harness.Debian + "\nCOPY calls.pl /calls.pl\nRUN perl /calls.pl > /said\n",
	}) {
		t.Run(p.name, func(t *testing.T) {
			args := []string{"-p", "runs", "perl", "/work/demo/ci/docker/calls.pl"}
			if p.step {
				args = []string{"-p", "steps", "cat", "/said"}
			}
			r := p.tree.Must(t, args...)
			got := strings.Split(strings.TrimSpace(r.Stdout), "\n")
			if len(got) != len(calls) {
				t.Fatalf("%d answers, want %d:\n%s\n%s", len(got), len(calls), r.Stdout, r.Stderr)
			}
			for i, call := range calls {
				if want := call.name + ": " + call.want; got[i] != want {
					t.Errorf("%q, want %q", got[i], want)
				}
			}
		})
	}
}

// paths is a shell script that tells what can be read and written of what Docker masks or makes read-only. (With cgroup
// v1 runc puts a private tmpfs at /sys/fs/cgroup, which can be written; the hierarchies in it cannot.)
const paths = `
for p in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug /proc/interrupts /proc/latency_stats; do
	[ -e $p ] || continue
	[ -z "$(head -c 1 $p 2>/dev/null | tr '\0' x)" ] || echo "$p can be read"
done
for p in /proc/acpi /proc/scsi /proc/asound /sys/firmware; do
	[ -z "$(ls -A $p 2>/dev/null)" ] || echo "$p can be read"
done
try() { (eval "$2") 2>/dev/null && echo "$1 can be written"; }
try /proc/sys 'cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname'
try /proc/sys 'cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness'
try /proc/sysrq-trigger 'printf "" >> /proc/sysrq-trigger'
try /proc/irq 'printf 1 > /proc/irq/default_smp_affinity'
try /sys/fs/cgroup/memory 'mkdir /sys/fs/cgroup/memory/x'
try /sys/kernel 'cat /sys/kernel/mm/transparent_hugepage/enabled > /sys/kernel/mm/transparent_hugepage/enabled'
[ -r /proc/self/status ] && [ -r /proc/cpuinfo ] && [ -r /proc/meminfo ] && [ -d /sys/class ] && echo fine
`

func TestMaskedPathsCannotBeReadAndReadOnlyOnesNotBeWritten(t *testing.T) {
	store := harness.Store(t)
	root := harness.Project(t, "paths", map[string]string{
		"ci/docker/paths.sh":               paths,
		"ci/docker/Dockerfile.build.steps": "FROM tiny\nCOPY paths.sh /paths.sh\nRUN sh /paths.sh > /said 2>&1\n",
	})
	for name, args := range map[string][]string{
		"in a run":      {"-p", "tiny", "sh", "/work/demo/ci/docker/paths.sh"},
		"in a RUN step": {"-p", "steps", "cat", "/said"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := (harness.Command{Dir: root, Store: store, Args: args}).Must(t); r.Stdout != "fine\n" {
				t.Errorf("it says:\n%s", r.Stdout)
			}
		})
	}
}
