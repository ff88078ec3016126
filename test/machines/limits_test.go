package machines

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"caisson/test/harness"
	"caisson/test/machines/machine"
)

// limited is who starts runs with limits in a machine.
type limited struct {
	m    *machine.Machine
	root string // of the project
	as   func(machine.Command) machine.Command
}

func (l limited) run(t *testing.T, flags []string, script string) harness.Result {
	t.Helper()
	return l.m.Run(t, l.as(caisson(l.root, append(append([]string{"-p", "tiny"}, flags...), "sh", "-c", script)...)))
}

// must is run for a script that has to succeed, and returns what it prints.
func (l limited) must(t *testing.T, flags []string, script string) string {
	t.Helper()
	r := l.run(t, flags, script)
	if r.Code != 0 {
		t.Fatalf("%q, %s: status %d\n%s%s", flags, script, r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

func TestLimitsOfRootHoldWhereThereIsCgroupV2Alone(t *testing.T) {
	m := machine.Boot(t, machine.Options{})
	m.PutCaisson(t)
	m.Must(t, caisson("/", "base", "add", "tiny", m.PutTiny(t)))
	l := limited{m, m.PutProject(t, "demo", nil), func(c machine.Command) machine.Command { return c }}
	limitsHold(t, l)
	t.Run("no cgroup is left", func(t *testing.T) {
		equal(t, m.Must(t, machine.Shell("find /sys/fs/cgroup -name 'caisson*'")).Stdout, "")
	})
}

func TestLimitsOfAnOrdinaryUserHoldInADelegatedCgroup(t *testing.T) {
	m := machine.Boot(t, machine.Options{})
	m.PutCaisson(t)
	dev := m.AddUser(t, "dev")
	tiny, root := m.PutTiny(t), m.PutProject(t, "demo", nil)
	m.Must(t, machine.Shell("chown -R dev: "+root+"; mkdir /sys/fs/cgroup/plain; chown dev: /sys/fs/cgroup/plain/cgroup.procs"))
	m.Must(t, dev.Command(machine.Shell("mkdir "+dev.Cgroup+"/client")))
	m.Must(t, dev.Command(caisson("", "base", "add", "tiny", tiny)))
	in := func(cgroup string) limited {
		return limited{m, root, func(c machine.Command) machine.Command {
			c.Cgroup = cgroup
			return dev.Command(c)
		}}
	}
	t.Run("a run without limits sees no cgroup of the machine", func(t *testing.T) {
		const look = "ls -A /sys/fs/cgroup; grep ' /sys/fs/cgroup ' /proc/mounts | tail -n 1 | cut -d ' ' -f 3,4 | cut -c 1-9"
		equal(t, in(dev.Cgroup+"/client").must(t, nil, look), "tmpfs ro,\n")
	})
	t.Run("a cgroup that is not delegated", func(t *testing.T) {
		noLimits(t, in("/sys/fs/cgroup/plain"), "no cgroup can be made in /sys/fs/cgroup/plain: permission denied")
	})
	t.Run("a delegated one that has processes of its own", func(t *testing.T) {
		noLimits(t, in(dev.Cgroup), "/sys/fs/cgroup/user.dev has processes of its own, so cgroups in it cannot have limits")
	})
	limitsHold(t, in(dev.Cgroup+"/client"))
	t.Run("no cgroup is left", func(t *testing.T) {
		equal(t, m.Must(t, machine.Shell("find /sys/fs/cgroup -name 'caisson*'")).Stdout, "")
	})
}

// noLimits checks what is said where a user cannot have limits.
func noLimits(t *testing.T, l limited, reason string) {
	t.Helper()
	r := l.run(t, []string{"--memory", "64m", "--pids", "20"}, "touch /work/build/started")
	says := "--memory, --pids: " + reason + "; run it by sudo, or in a cgroup that systemd delegates: systemd-run --user --scope caisson …"
	if r.Code != 125 || !strings.Contains(r.Stderr, says) {
		t.Errorf("status %d, want 125 and %q:\n%s", r.Code, says, r.Stderr)
	}
	if l.m.Run(t, machine.Shell("ls "+l.root+"/build/started")).Code == 0 {
		t.Error("the command was started")
	}
	equal(t, l.must(t, nil, "echo without limits"), "without limits\n")
}

// limitsHold checks each limit, and what a run with limits sees of cgroups.
func limitsHold(t *testing.T, l limited) {
	t.Run("memory", func(t *testing.T) {
		r := l.run(t, []string{"--memory", "64m"}, "exec dd if=/dev/zero of=/dev/null bs=200M count=1")
		said := regexp.MustCompile(`a process was ended for want of memory \(limit 64 MiB, peak (6[0-4]) MiB\)`)
		if r.Code != 137 || !said.MatchString(r.Stderr) {
			t.Errorf("status %d: %s", r.Code, r.Stderr)
		}
	})
	t.Run("processes", func(t *testing.T) {
		const fork = "for i in $(seq 40); do sleep 60 & done; kill $(jobs -p)"
		if r := l.run(t, []string{"--pids", "10"}, fork); r.Code != 2 || !strings.Contains(r.Stderr, "can't fork") {
			t.Errorf("10: status %d: %s", r.Code, r.Stderr)
		}
		l.must(t, []string{"--pids", "60"}, fork)
	})
	t.Run("processors", func(t *testing.T) {
		// Both clocks are the machine's, before and after: how long that took outside does not matter.
		out := l.must(t, []string{"--cpus", "0.5"}, `look() { cut -d " " -f 1 /proc/uptime; sed -n 's/^usage_usec //p' /sys/fs/cgroup/cpu.stat; }
look; timeout 4 sh -c 'while :; do :; done'; look`)
		var before, after struct{ seconds, used float64 }
		if _, err := fmt.Sscan(out, &before.seconds, &before.used, &after.seconds, &after.used); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		share := (after.used - before.used) / 1e6 / (after.seconds - before.seconds)
		t.Logf("%.2f of a processor", share)
		if share < 0.3 || share > 0.6 {
			t.Errorf("%.2f of a processor was used, want half of it", share)
		}
	})
	t.Run("a run sees its own cgroup, which it cannot change", func(t *testing.T) {
		const look = `cd /sys/fs/cgroup; cat memory.max memory.swap.max cpu.max; cat /proc/self/cgroup
ls -d */ 2>/dev/null; for f in memory.max cgroup.procs; do if (echo 1 >$f) 2>/dev/null; then echo "$f can be written"; fi; done`
		equal(t, l.must(t, []string{"--memory", "64m", "--cpus", "0.5", "--pids", "50"}, look), "67108864\n0\n50000 100000\n0::/\n")
	})
}
