package network

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"caisson/test/harness"
)

// withSudo is a platform whose RUN step downloads, and whose runs may become root.
const withSudo = "FROM " + harness.Debian + "\n" +
	"RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends sudo >/dev/null && echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/all\n"

// outside is the name of a host that this machine's apt uses.
func outside(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(harness.Program(t, "", "apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages")) {
		if u, err := url.Parse(strings.TrimSpace(line)); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	t.Fatal("the apt of this machine names no mirror")
	return ""
}

func TestPackagesAreInstalledInAnImageAndInARun(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.debian": withSudo}).Owned(t)
	tr.Store = harness.ColdStore(t) // the step is done now, not before
	tr.Must(t, "-p", "debian", "-b")
	r := tr.Must(t, "-p", "debian", "sh", "-ec", "if command -v make; then exit 9; fi; id -u; "+
		"sudo apt-get update -qq; sudo apt-get install -qq -y --no-install-recommends make >/dev/null; make --version")
	contains(t, r.Stdout, fmt.Sprintf("%d\n", harness.Tester.UID), "GNU Make")
}

func TestNamesOfTheOutsideAreFound(t *testing.T) {
	outside := outside(t)
	addresses, err := net.LookupHost(outside)
	if err != nil {
		t.Fatalf("this machine itself does not find %s: %v", outside, err)
	}
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.debian": "FROM " + harness.Debian + "\n"})
	for name, command := range map[string][]string{
		"by busybox":       {"-p", "tiny", "nslookup", outside},
		"by Debian's libc": {"-p", "debian", "getent", "ahostsv4", outside},
	} {
		t.Run(name, func(t *testing.T) {
			out := tr.Must(t, command...).Stdout
			for _, a := range addresses {
				if strings.Contains(out, a) {
					return
				}
			}
			t.Errorf("none of %q in:\n%s", addresses, out)
		})
	}
}

func TestANameThatThereIsNotIsSaidToBeNone(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.debian": "FROM " + harness.Debian + "\n"})
	for _, command := range [][]string{
		{"-p", "tiny", "nslookup", "no-such-name.invalid"},
		{"-p", "debian", "getent", "hosts", "no-such-name.invalid"},
	} {
		if r := tr.Command(command...).Run(t); r.Code == 0 || r.Code >= 124 {
			t.Errorf("%q: status %d, %q, %q", command, r.Code, r.Stdout, r.Stderr)
		}
	}
}

func TestTheNameOfThisMachineLeadsToTheGateway(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.debian": "FROM " + harness.Debian + "\n"})
	contains(t, tr.Must(t, "-p", "tiny", "nslookup", "host.caisson.internal").Stdout, "Address: 10.0.2.2\n")
	contains(t, tr.Must(t, "-p", "debian", "getent", "ahostsv4", "host.caisson.internal").Stdout, "10.0.2.2 ")
}

func TestALoopbackServiceOfThisMachineCannotBeReached(t *testing.T) {
	server := newServer(t)
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN " + tryAll(server.port) + " >/said 2>&1; true\n",
	})
	for name, args := range map[string][]string{
		"in a run":      {"-p", "tiny", "sh", "-c", tryAll(server.port) + "; true"},
		"in a RUN step": {"-p", "steps", "--no-cache", "cat", "/said"},
	} {
		t.Run(name, func(t *testing.T) {
			out := tr.Must(t, args...).Stdout
			contains(t, out, "tried\n")
			if strings.Contains(out, answer) || len(server.asked()) > 0 {
				t.Errorf("it was reached: %q: %s", server.asked(), out)
			}
		})
	}
}

// tryAll is a shell command that asks for an answer at all addresses that may lead to this machine's loopback.
func tryAll(port string) string {
	return "for at in 127.0.0.1 10.0.2.2 10.0.2.3 10.0.2.100 host.caisson.internal localhost; do wget -q -O - http://$at:" + port + "/; done; echo tried"
}

func TestAnOrdinaryUserMayPingAndListenOnAnyPortAsInDocker(t *testing.T) {
	tr := harness.NewTree(t, nil).Owned(t)
	for name, command := range map[string]string{
		"ping": "set -- $(cat /proc/sys/net/ipv4/ping_group_range); test $1 = 0 && test $2 -ge 54322", // busybox has no other way than a raw socket
		"port": serve("/work/demo", 80),
	} {
		t.Run(name, func(t *testing.T) {
			if r := tr.Command("-p", "tiny", "--timeout", "10s", "sh", "-c", command).Run(t); r.Code != 0 {
				t.Errorf("status %d: %s%s", r.Code, r.Stdout, r.Stderr)
			}
		})
	}
}
