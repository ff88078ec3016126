package security

import (
	"fmt"
	"strings"
	"testing"

	"caisson/test/harness"
)

func TestAPrivateNetworkReachesNoLoopbackAndNoAbstractSocketOfTheHost(t *testing.T) {
	for _, mode := range []string{"private", "none"} {
		h := listen(t)
		for _, p := range places(t, harness.Debian, "perl", h.attack(everywhere)) {
			t.Run(mode+" "+p.name, func(t *testing.T) {
				equal(t, "what can be connected to", p.said(t, "perl", "--network", mode), "done\n")
				if seen := h.visits(); len(seen) > 0 {
					t.Errorf("the host was visited at %q", seen)
				}
			})
		}
	}
}

// What the test above proves depends on an attack that reaches all it can.
func TestTheSameAttackReachesAllOfTheHostWithTheHostsNetwork(t *testing.T) {
	h := listen(t)
	for _, p := range places(t, harness.Debian, "perl", h.attack("127.0.0.1 ::1")) {
		t.Run(p.name, func(t *testing.T) {
			said := p.said(t, "perl", "--network", "host")
			if seen := h.visits(); len(seen) != 6 || !strings.Contains(said, "abstract\nlisted\n") {
				t.Errorf("of the host's six sockets only %q were visited; it printed:\n%s", seen, said)
			}
		})
	}
}

func TestOnlyTheProxysPortOfTheHostIsReached(t *testing.T) {
	neighbour := listen(t)
	proxy := listen(t)
	script := reach + fmt.Sprintf(`print "$ENV{http_proxy}\n";
for my $port (%d, %d) {
	for my $at (qw(host.caisson.internal 10.0.2.2 127.0.0.1)) { print "reached $at:$port\n" if tcp($at, $port); }
}
`, proxy.port, neighbour.port)
	for _, p := range places(t, harness.Debian, "perl", script) {
		t.Run(p.name, func(t *testing.T) {
			p.tree = p.tree.With(fmt.Sprintf("http_proxy=http://127.0.0.1:%d", proxy.port))
			equal(t, "what is reached", p.said(t, "perl"), fmt.Sprintf(
				"http://host.caisson.internal:%[1]d\nreached host.caisson.internal:%[1]d\nreached 10.0.2.2:%[1]d\n", proxy.port))
			if seen := neighbour.visits(); len(seen) > 0 {
				t.Errorf("the neighbour was visited at %q", seen)
			}
			proxy.visits()
		})
	}
}

// The builder itself fetches what ADD and FROM name, outside of any step's network.
func TestAnADDDoesNotReachTheLoopbackOfTheHost(t *testing.T) {
	h := listen(t)
	for name, line := range map[string]string{
		"ADD":        fmt.Sprintf("FROM tiny\nADD http://127.0.0.1:%d/x /x\n", h.port),
		"ADD to ::1": fmt.Sprintf("FROM tiny\nADD http://[::1]:%d/x /x\n", h.port),
		"ADD of git": fmt.Sprintf("FROM tiny\nADD git://127.0.0.1:%d/x.git /x\n", h.port),
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, tiny(t, line).Command("-p", "tiny", "-r", "1", "true").Run(t), "caisson: ")
			if seen := h.visits(); len(seen) > 0 {
				t.Errorf("the host was visited at %q", seen)
			}
		})
	}
}

func TestADockerfileCannotAskForTheHostsNetworkOrMoreRights(t *testing.T) {
	for line, words := range map[string]string{
		"RUN --network=host true":      "network.host is not allowed",
		"RUN --security=insecure true": "security.insecure is not allowed",
	} {
		t.Run(line, func(t *testing.T) {
			refused(t, tiny(t, "FROM tiny\n"+line+"\n").Command("-p", "tiny", "-r", "1", "true").Run(t), words)
		})
	}
}
