package stack

import (
	"net/netip"

	"caisson/internal/network"
)

var (
	container  = netip.MustParseAddr(network.Container)
	gateway    = netip.MustParseAddr(network.Gateway)
	nameServer = netip.AddrPortFrom(netip.MustParseAddr(network.NameServer), 53)
)

// forbidden are the networks that no packet of a container leads to: its own one, and those that mean this host, many
// hosts or none (RFC 6890). To connect to 0.0.0.0 is to connect to the loopback.
var forbidden = []netip.Prefix{
	netip.MustParsePrefix(network.Subnet),
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("224.0.0.0/4"),
	netip.MustParsePrefix("240.0.0.0/4"), // with 255.255.255.255
}

// targets says what this process connects to for a container.
type targets struct {
	allowed map[uint16]string // port of the gateway -> ADDRESS:PORT on the host
}

func newTargets(allowed []network.Allowed) targets {
	t := targets{allowed: map[uint16]string{}}
	for _, a := range allowed {
		t.allowed[a.Port] = a.Host
	}
	return t
}

// tcp returns the ADDRESS:PORT to connect to for a connection of source to dest; false refuses it.
func (t targets) tcp(source netip.Addr, dest netip.AddrPort) (string, bool) {
	if source == container && dest.Addr() == gateway {
		host, ok := t.allowed[dest.Port()]
		return host, ok
	}
	return t.udp(source, dest)
}

// udp does the same for datagrams.
func (t targets) udp(source netip.Addr, dest netip.AddrPort) (string, bool) {
	if source != container || !dest.Addr().Is4() || dest.Port() == 0 {
		return "", false
	}
	for _, p := range forbidden {
		if p.Contains(dest.Addr()) {
			return "", false
		}
	}
	return dest.String(), true
}
