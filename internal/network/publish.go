package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// Publish leads connections to an address and port of the host to a TCP port of the container.
type Publish struct {
	Addr      string // an IP address of the host
	Host      uint16 // its port; 0 is any free one, see Listen
	Container uint16 // the container's port
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
