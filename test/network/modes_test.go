package network

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"caisson/test/harness"
)

// devices prints the names of the network's devices, one a line.
const devices = `ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/\1/'`

func TestTheHostsNetworkIsThisMachinesAndNoneIsALoopbackOnly(t *testing.T) {
	server := newServer(t)
	script := devices + "; wget -q -O - http://127.0.0.1:" + server.port + "/ 2>/dev/null || echo no answer"
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/look.sh":                "#!/bin/sh\n" + script + "\n",
		"ci/docker/Dockerfile.build.steps": "FROM tiny\nCOPY look.sh /look.sh\nRUN sh /look.sh >/said\n",
		"ci/docker/Dockerfile.build.open":  "FROM tiny\n",
		"caisson.yaml":                     "platforms:\n  tiny: {network: none}\n  open: {network: host}\n",
	})
	own := strings.Join(interfaces(t), "\n") + "\n" + answer
	const none, private = "lo\nno answer\n", "lo\neth0\ncaisson\nno answer\n"
	run := func(platform string, flags ...string) []string {
		return append(append([]string{"-p", platform}, flags...), "sh", "/work/demo/ci/docker/look.sh")
	}
	step := func(flags ...string) []string {
		return append(append([]string{"-p", "steps", "--no-cache"}, flags...), "cat", "/said")
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"a run with host", run("steps", "--network", "host"), own},
		{"a run with none", run("steps", "--network=none"), none},
		{"a run", run("steps"), private},
		{"a step with host", step("--network", "host"), own},
		{"a step with none", step("--network", "none"), none},
		{"a step", step(), private},
		{"none in caisson.yaml", run("tiny"), none},
		{"host in caisson.yaml", run("open"), own},
		{"the flag over caisson.yaml", run("tiny", "--network", "private"), private},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tr.Command(c.args...).Run(t)
			if r.Code != 0 || r.Stdout != c.want {
				t.Errorf("status %d, %q, want %q\n%s", r.Code, r.Stdout, c.want, r.Stderr)
			}
		})
	}
}

// interfaces are the network devices of this machine, in the order of their numbers.
func interfaces(t testing.TB) (names []string) {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b net.Interface) int { return a.Index - b.Index })
	for _, i := range all {
		names = append(names, i.Name)
	}
	return names
}

func TestPublishWithoutAPrivateNetworkIsRefused(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.off": "FROM tiny\n",
		"caisson.yaml":                   "platforms:\n  off: {network: none}\n",
	})
	for name, flags := range map[string][]string{
		"--network host":           {"-p", "tiny", "--network", "host"},
		"--network none":           {"-p", "tiny", "--network", "none"},
		"network: none in caisson": {"-p", "off"},
	} {
		r := tr.Command(append(flags, "--publish", "0:8080", "touch", "/work/build/started")...).Run(t)
		if r.Code != 125 {
			t.Errorf("%s: status %d", name, r.Code)
		}
		contains(t, r.Stderr, "--publish needs a private network", name, "leave out --publish")
	}
	if _, err := os.Stat(tr.File("build/started")); err == nil {
		t.Error("a command was started")
	}
}
