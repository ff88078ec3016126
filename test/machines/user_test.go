package machines

import (
	"fmt"
	"strings"
	"testing"

	"caisson/test/machines/machine"
)

func TestAnOrdinaryUserOfAMachineHasADelegatedCgroup(t *testing.T) {
	m := machine.Boot(t, machine.Options{})
	dev := m.AddUser(t, "dev")
	shell := func(script string) string { return m.Must(t, dev.Command(machine.Shell(script))).Stdout }
	t.Run("commands start in it, at home, without root's rights", func(t *testing.T) {
		equal(t, shell("cat /proc/self/cgroup; pwd; id -un; id -Gn; echo $HOME"), "0::/user.dev\n/home/dev\ndev\ndev\n/home/dev\n")
		if r := m.Run(t, dev.Command(machine.Shell("mkdir /sys/fs/cgroup/other"))); r.Code == 0 {
			t.Error("the user may make a cgroup at the top")
		}
	})
	t.Run("it has controllers whose limits hold", func(t *testing.T) {
		equal(t, shell("cat /sys/fs/cgroup/user.dev/cgroup.controllers"), "cpu memory pids\n")
		out := shell(`cd /sys/fs/cgroup/user.dev
mkdir command limited
echo $$ >command/cgroup.procs
echo "+cpu +memory +pids" >cgroup.subtree_control
echo 1 >limited/pids.max
if sh -c 'echo $$ >limited/cgroup.procs; (true)' 2>&1; then echo "a second process could start"; fi`)
		if !strings.Contains(out, "fork") {
			t.Errorf("a limit of one process does not hold: %q", out)
		}
	})
	t.Run("a user namespace with its range of ids can be made", func(t *testing.T) {
		script := "unshare --user --map-root-user --map-auto sh -c 'id -u; wc -l </proc/self/uid_map'"
		c := dev.Command(machine.Shell(script))
		c.Cgroup = dev.Cgroup + "/command" // a cgroup with controllers for its children holds no process itself
		equal(t, m.Must(t, c).Stdout, "0\n2\n")
	})
}

func TestAnOrdinaryUserRunsCaissonInADelegatedCgroup(t *testing.T) {
	m := machine.Boot(t, machine.Options{})
	m.PutCaisson(t)
	dev := m.AddUser(t, "dev")
	tiny, root := m.PutTiny(t), m.PutProject(t, "demo", nil)
	m.Must(t, machine.Shell("chown -R dev: "+root))
	t.Run("doctor finds all that is needed", func(t *testing.T) {
		m.Must(t, dev.Command(caisson("", "doctor")))
	})
	m.Must(t, dev.Command(caisson("", "base", "add", "tiny", tiny)))
	t.Run("a run builds, and what it makes is the user's", func(t *testing.T) {
		m.Must(t, dev.Command(caisson(root, "-p", "tiny")))
		equal(t, m.Must(t, machine.Shell("cd "+root+"; cat build/out; stat -c %U build/out")).Stdout, "built\ndev\n")
	})
	t.Run("a run has the command's status", func(t *testing.T) {
		r := m.Run(t, dev.Command(caisson(root, "-p", "tiny", "sh", "-c", "id -u; exit 9")))
		if want := fmt.Sprintf("%d\n", dev.UID); r.Code != 9 || r.Stdout != want {
			t.Errorf("status %d, %q; want 9, %q: %s", r.Code, r.Stdout, want, r.Stderr)
		}
	})
	t.Run("no cgroup is left", func(t *testing.T) {
		equal(t, m.Must(t, machine.Shell("find /sys/fs/cgroup -mindepth 1 -type d")).Stdout, dev.Cgroup+"\n")
	})
}
