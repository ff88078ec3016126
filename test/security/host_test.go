package security

import (
	"crypto/rand"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// host is what listens on this machine and must not be reached: TCP and UDP on both loopbacks at one port, and a stream
// and a datagram socket with an abstract name.
type host struct {
	port int
	name string // of the abstract sockets, without the @; the datagram one has "-d" behind it

	mu   sync.Mutex
	seen []string
}

// listen opens all of them until the end of the test. What is said to them is "visited".
func listen(t testing.TB) *host {
	t.Helper()
	h := &host{name: "caisson-test-" + strings.ToLower(rand.Text())}
	first, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h.port = first.Addr().(*net.TCPAddr).Port
	h.accept(t, first)
	second, err := net.Listen("tcp", fmt.Sprintf("[::1]:%d", h.port))
	must(t, err)
	h.accept(t, second)
	abstract, err := net.Listen("unix", "@"+h.name)
	must(t, err)
	h.accept(t, abstract)
	for _, at := range [][2]string{{"udp", fmt.Sprintf("127.0.0.1:%d", h.port)}, {"udp", fmt.Sprintf("[::1]:%d", h.port)}, {"unixgram", "@" + h.name + "-d"}} {
		c, err := net.ListenPacket(at[0], at[1])
		must(t, err)
		h.receive(t, c)
	}
	return h
}

func (h *host) accept(t testing.TB, l net.Listener) {
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			h.note(l.Addr())
			_, _ = c.Write([]byte("HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nvisited\n"))
			time.AfterFunc(time.Second, func() { c.Close() }) // the other end reads first
		}
	}()
}

func (h *host) receive(t testing.TB, c net.PacketConn) {
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 64)
		for {
			if _, _, err := c.ReadFrom(buf); err != nil {
				return
			}
			h.note(c.LocalAddr())
		}
	}()
}

func (h *host) note(at net.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, at.Network()+" "+at.String())
}

// visits are the sockets that were reached so far, each once, and forgets them.
func (h *host) visits() []string {
	time.Sleep(100 * time.Millisecond) // for those on their way
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.Sort(h.seen)
	all := slices.Compact(h.seen)
	h.seen = nil
	return all
}

// reach is perl: whether a stream or datagram socket can be connected to, and something read from it, or sent.
const reach = `use Socket qw(:all); $| = 1; $SIG{ALRM} = sub { die "late\n" };
sub reach {
	my ($family, $type, $to) = @_;
	socket(my $s, $family, $type, 0) or return 0;
	my $ok = eval { alarm 3; my $r = connect($s, $to) && ($type == SOCK_DGRAM ? send($s, "x", 0) : sysread($s, my $b, 9)); alarm 0; $r };
	alarm 0;
	return $ok;
}
sub inet { my ($host, $port) = @_;
	return (AF_INET6, pack_sockaddr_in6($port, inet_pton(AF_INET6, $host))) if $host =~ /:/;
	my $ip = inet_aton($host) or return (AF_INET, "");
	return (AF_INET, pack_sockaddr_in($port, $ip));
}
sub tcp { my ($family, $to) = inet(@_); return reach($family, SOCK_STREAM, $to); }
sub udp { my ($family, $to) = inet(@_); return reach($family, SOCK_DGRAM, $to); }
sub unix { my ($type, $name) = @_; return reach(AF_UNIX, $type, pack("S a*", AF_UNIX, "\0$name")); }
`

// everywhere is every name and address of the host that a private network has, and those that might mean it.
const everywhere = "127.0.0.1 127.0.0.2 0.0.0.0 10.0.2.2 10.0.2.3 host.caisson.internal ::1 ::ffff:127.0.0.1 ::"

// attack is a perl program that tries to reach all of them at these addresses. It prints what answered; a datagram is not
// answered.
func (h *host) attack(at string) string {
	return reach + fmt.Sprintf(`my ($port, $name) = (%d, "%s");
for my $at (qw(%s)) {
	print "tcp $at\n" if tcp($at, $port);
	udp($at, $port);
}
print "abstract\n" if unix(SOCK_STREAM, $name);
unix(SOCK_DGRAM, "$name-d");
open(my $f, "<", "/proc/net/unix"); print "listed\n" if grep { /\Q$name\E/ } <$f>;
print "done\n";
`, h.port, h.name, at)
}
