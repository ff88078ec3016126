package cli

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"caisson/internal/engine"
	"caisson/internal/project/values"
)

// takePublish takes a port of this machine that leads to one of the container, written as for Docker. Several are
// several ports.
func takePublish(p *parser, name, text string) error {
	pub, err := readPublish(name, text)
	if err != nil {
		return err
	}
	for _, other := range p.run.Publish {
		if other.Addr == pub.Addr && other.Host == pub.Host && pub.Host != 0 {
			at := net.JoinHostPort(pub.Addr, strconv.Itoa(int(pub.Host)))
			return &UsageError{Reason: fmt.Sprintf("%s: the port %s of this machine would lead to two ports", name, at),
				Hint: "give each a port of its own"}
		}
	}
	p.run.Publish = append(p.run.Publish, pub)
	return nil
}

// localOnly is where a port is opened when no address is given: other machines do not see it.
const localOnly = "127.0.0.1"

// readPublish reads [ADDRESS:]HOST:CONTAINER, an IPv6 address in brackets; port 0 of this machine is any free one.
func readPublish(name, text string) (pub engine.Publish, err error) {
	refuse := func(hint, reason string, args ...any) (engine.Publish, error) {
		return pub, &UsageError{Reason: name + ": " + fmt.Sprintf(reason, args...), Hint: hint}
	}
	const form = "write HOST:CONTAINER, like 8080:80, or ADDRESS:HOST:CONTAINER"
	rest, protocol, given := strings.Cut(text, "/")
	if given && protocol != "tcp" {
		return refuse("only TCP ports can be published", "no ports with the protocol %s", values.Clip(protocol))
	}
	rest, container, _ := cutLast(rest)
	address, host, hasAddress := cutLast(rest)
	switch {
	case rest == "" && isPort(container, 1):
		return refuse(fmt.Sprintf("write %s:%s, or 0:%s for any free port", container, container, container),
			"%s does not say which port of this machine leads to it", values.Clip(text))
	case strings.Contains(host+container, "-"):
		return refuse("give "+name+" once for each port", "%s is a range of ports", values.Clip(text))
	case !isPort(host, 0):
		return refuse(form+"; a port is 1 to 65535, or 0 for any free one", "%s has no port of this machine", values.Clip(text))
	case !isPort(container, 1):
		return refuse(form+"; a port is 1 to 65535", "%s has no port of the container", values.Clip(text))
	case !hasAddress:
		address = localOnly
	}
	inside, bracket := strings.CutPrefix(address, "[")
	inside, closed := strings.CutSuffix(inside, "]")
	ip, parseErr := netip.ParseAddr(inside)
	switch {
	case parseErr != nil || bracket != closed:
		return refuse("write 127.0.0.1 for this machine alone, 0.0.0.0 for all", "%s is not an IP address", values.Clip(address))
	case ip.Is6() != bracket:
		return refuse(fmt.Sprintf("write an IPv6 address, and no other, in brackets: [::1]:%s:%s", host, container),
			"%s is not how an address is written", values.Clip(address))
	}
	return engine.Publish{Addr: inside, Host: port(host), Container: port(container)}, nil
}

// cutLast cuts a text at its last colon; without one, all of it is behind.
func cutLast(text string) (before, behind string, found bool) {
	i := strings.LastIndexByte(text, ':')
	return text[:max(i, 0)], text[i+1:], i >= 0
}

func port(text string) uint16 {
	n, _ := strconv.ParseUint(text, 10, 16) // isPort has looked
	return uint16(n)
}

func isPort(text string, least uint64) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port >= least && (port == 0 || text[0] != '0')
}

// refusePublish says why there is no port to publish; because is what gives the container that network.
func refusePublish(because, network string) error {
	why := because + " has no way in from outside"
	if network == values.Host {
		why = because + " makes every port of the container one of this machine already"
	}
	return &UsageError{Reason: "--publish needs a private network, and " + why,
		Hint: "leave out --publish, or give --network private"}
}
