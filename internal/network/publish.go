package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// Publish leads connections to an address and port of the host to a TCP port of the container.
type Publish struct {
	Addr      string // an IP address of the host
	Host      uint16 // its port; 0 is any free one, see Listen
	Container uint16 // the container's port
}

// ParsePublish reads [ADDRESS:]HOST:CONTAINER[/tcp]. The address is 127.0.0.1 if there is none; an IPv6 address is
// written in brackets. HOST may be 0, any free port.
func ParsePublish(s string) (Publish, error) {
	fail := func(why string) (Publish, error) {
		return Publish{}, fmt.Errorf("publish %q: %s", s, why)
	}
	words, protocol, ok := strings.Cut(s, "/")
	if ok && !strings.EqualFold(protocol, "tcp") {
		return fail(fmt.Sprintf("only TCP ports can be published, not %s", protocol))
	}
	rest, container, ok := cutLast(words)
	if !ok {
		return fail("want [ADDRESS:]HOST_PORT:CONTAINER_PORT, as 8080:80")
	}
	addr, host, ok := cutLast(rest)
	if !ok {
		addr, host = "127.0.0.1", rest
	}
	ip, err := publishAddr(addr)
	if err != nil {
		return fail(err.Error())
	}
	p := Publish{Addr: ip}
	if p.Host, err = parsePort(host); err != nil {
		return fail(err.Error())
	}
	if p.Container, err = parsePort(container); err != nil {
		return fail(err.Error())
	}
	if p.Container == 0 {
		return fail("the container's port cannot be 0")
	}
	return p, nil
}

// cutLast cuts at the last colon that is not within brackets.
func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

func publishAddr(s string) (string, error) {
	inner, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		if inner, bracketed = strings.CutSuffix(inner, "]"); !bracketed {
			return "", fmt.Errorf("%q lacks its closing bracket", s)
		}
	}
	ip, err := netip.ParseAddr(inner)
	switch {
	case err != nil && strings.ContainsRune(inner, ':'), err == nil && ip.Is6() && !bracketed:
		return "", fmt.Errorf("%q is no address: write an IPv6 address in brackets, as [::1]:8080:80", s)
	case err != nil || ip.Is4() && bracketed:
		return "", fmt.Errorf("%q is no IP address", s)
	}
	return ip.String(), nil
}

func parsePort(s string) (uint16, error) {
	if strings.ContainsRune(s, '-') {
		return 0, fmt.Errorf("%q: ranges of ports are not supported, publish each port by itself", s)
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no port (0 to 65535)", s)
	}
	return uint16(n), nil
}

func (p Publish) String() string {
	return fmt.Sprintf("%s:%d", net.JoinHostPort(p.Addr, strconv.Itoa(int(p.Host))), p.Container)
}

// Listen opens the listener on the host. A Host of 0 becomes the port that the kernel chose.
func (p *Publish) Listen() (*os.File, error) {
	at := net.JoinHostPort(p.Addr, strconv.Itoa(int(p.Host)))
	var config net.ListenConfig
	config.SetMultipathTCP(false) // the stack's connection to the container is a plain one
	l, err := config.Listen(context.Background(), "tcp", at)
	if err != nil {
		return nil, p.listenError(at, err)
	}
	defer l.Close()
	tcp := l.(*net.TCPListener)
	f, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", at, err)
	}
	p.Host = uint16(tcp.Addr().(*net.TCPAddr).Port)
	return f, nil
}

func (p *Publish) listenError(at string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("publish the container's port %d: port %d of %s is in use on this host; choose another one, or 0 for any free port", p.Container, p.Host, p.Addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("publish the container's port %d: this user may not listen on port %d; choose one from 1024 on", p.Container, p.Host)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("publish the container's port %d: %s is no address of this host", p.Container, p.Addr)
	}
	return fmt.Errorf("publish the container's port %d on %s: %w", p.Container, at, err)
}
