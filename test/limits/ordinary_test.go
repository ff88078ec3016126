package limits

import (
	"os"
	"testing"

	"caisson/test/harness"
)

func TestAnOrdinaryUserIsToldWhatToDoForALimit(t *testing.T) {
	harness.UserOnly(t, "root has limits")
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.small": "FROM tiny\n",
		"caisson.yaml":                     "platforms:\n  small: {memory: 64m, pids: 20}\n",
	})
	const reason = "an ordinary user cannot have a limit on this machine, whose cgroups are of version 1; run it by sudo"
	for says, args := range map[string][]string{
		"--memory: ":                 {"-p", "tiny", "--memory", "64m"},
		"--cpus: ":                   {"-p", "tiny", "--cpus", "0.5"},
		"--pids: ":                   {"-p", "tiny", "--pids", "20"},
		"--cpus, --memory, --pids: ": {"-p", "small", "--cpus", "1"},
	} {
		r := tr.Command(append(args, "touch", "/work/build/started")...).Run(t)
		check(t, r, want{code: 125, says: []string{says + reason}})
	}
	if _, err := os.Stat(tr.File("build/started")); err == nil {
		t.Error("a command was started")
	}
}

func TestARunWithoutLimitsHasNone(t *testing.T) {
	tr := harness.NewTree(t, nil)
	check(t, tr.Command("-p", "tiny", "sh", "-c", useMemory+"; "+fork).Run(t), want{hides: []string{"memory", "fork"}})
}

func TestAnOrdinaryUsersRunDoesNotSeeTheMachinesCgroups(t *testing.T) {
	harness.UserOnly(t, "root's runs have a cgroup of their own")
	tr := harness.NewTree(t, nil)
	r := tr.Must(t, "-p", "tiny", "sh", "-c", "ls -A /sys/fs/cgroup; if touch /sys/fs/cgroup/x 2>/dev/null; then echo written; fi; grep ' /sys/fs/cgroup ' /proc/mounts | tail -n 1 | cut -d ' ' -f 3,4")
	if want := "tmpfs ro,"; len(r.Stdout) < len(want) || r.Stdout[:len(want)] != want {
		t.Errorf("%q, want an empty tmpfs, %q…", r.Stdout, want)
	}
}
