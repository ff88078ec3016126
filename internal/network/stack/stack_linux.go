// Package stack is the user-mode network stack behind the link of a private network (package network): the world that a
// container sees. It takes each connection and datagram that the container sends and makes it again, with an ordinary
// socket of this process in this process's own network namespace.
//
// The container may be hostile and may craft its packets. What it cannot do is decided in one place, [targets]: no
// packet leads to the loopback of the host, except to the services that the configuration allows by address and port.
package stack

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"caisson/internal/network"

	"gvisor.dev/gvisor/pkg/log"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

const nic tcpip.NICID = 1

// Most flows of each kind that one container may have at a time. What comes beyond waits for the sender to try again.
const (
	maxTCP = 1024
	maxUDP = 1024
)

// timeWait is how long an ended connection is remembered. No packet on the link is ever late.
const timeWait = 2 * time.Second

// shutEvery is how often the connections that are left at the end are reset.
const shutEvery = 20 * time.Millisecond

// server is the stack of one container, and all that goes on in it.
type server struct {
	ctx     context.Context
	stack   *stack.Stack
	targets targets
	names   *resolver
	tcp     tokens
	udp     tokens

	mu      sync.Mutex
	closing bool           // no flow begins any more
	flows   sync.WaitGroup // its count grows under mu only
}

// tokens limit how many flows of a kind there are: one is held by each.
type tokens chan struct{}

// begin takes a token for a new flow, if there is one and the stack is not about to end. Its flow gives it back with end.
func (s *server) begin(t tokens) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	select {
	case t <- struct{}{}:
		s.flows.Add(1)
		return true
	default:
		return false
	}
}

func (s *server) end(t tokens) {
	<-t
	s.flows.Done()
}

// Serve runs the stack behind the link until the context ends or the link breaks. Connections to listeners go to the
// container's ports cfg.Published. When Serve returns nothing of it goes on, and every connection is closed. The caller
// keeps link and listeners, and closes them. The error is nil when the context ended.
func Serve(outer context.Context, link *os.File, cfg network.Config, listeners []*os.File) error {
	if len(listeners) != len(cfg.Published) {
		return fmt.Errorf("network stack: %d listeners for %d published ports", len(listeners), len(cfg.Published))
	}
	accepting, err := openListeners(listeners)
	if err != nil {
		return err
	}
	defer closeAll(accepting)
	endpoint, err := newLink(link)
	if err != nil {
		return fmt.Errorf("network stack: open the link: %w", err)
	}
	defer endpoint.release()
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	s := &server{
		ctx: ctx, targets: newTargets(cfg.Allowed), names: newResolver(cfg.Resolvers),
		tcp: make(tokens, maxTCP), udp: make(tokens, maxUDP),
	}
	if s.stack, err = newStack(endpoint); err != nil {
		return fmt.Errorf("network stack: %w", err)
	}
	s.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s.stack, 0, maxTCP, s.openTCP).HandlePacket)
	s.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s.stack, s.openUDP).HandlePacket)
	endpoint.start(cancel)
	var acceptors sync.WaitGroup
	for i, l := range accepting {
		acceptors.Go(func() { s.accept(l, cfg.Published[i]) })
	}
	<-ctx.Done()
	closeAll(accepting)
	acceptors.Wait()
	s.shut(endpoint)
	if outer.Err() != nil {
		return nil
	}
	return fmt.Errorf("network stack: %w", context.Cause(ctx))
}

// shut ends all flows, whose context has ended, and then the stack.
func (s *server) shut(link *linkEndpoint) {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	link.stop()
	done := make(chan struct{}) // closed when no flow is left
	go func() {
		s.flows.Wait()
		close(done)
	}()
	for ended := false; !ended; {
		for _, e := range s.stack.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-done:
			ended = true
		case <-time.After(shutEvery): // a handshake may have begun since
		}
	}
	s.stack.Destroy()
}

// The library writes about strange packets to standard error, which is no place for what a container may provoke.
func init() { log.SetLevel(log.Warning) }

// newStack makes a stack with the link as its device.
func newStack(link *linkEndpoint) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4},
	})
	sack, moderate, congestion := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true), tcpip.CongestionControlOption("cubic")
	window := link.window()
	wait := tcpip.TCPTimeWaitTimeoutOption(timeWait)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: min(1<<20, window), Max: window}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: 4 << 20}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &congestion, &wait, &receive, &send} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			s.Destroy()
			return nil, fmt.Errorf("set TCP option %T: %s", option, err)
		}
	}
	if err := attach(s, link); err != nil {
		s.Destroy()
		return nil, err
	}
	return s, nil
}

// attach gives the stack its device and its address. It takes packets to any address, and answers from it.
func attach(s *stack.Stack, link *linkEndpoint) error {
	if err := s.CreateNIC(nic, link); err != nil {
		return fmt.Errorf("make the device: %s", err)
	}
	gateway := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddrFrom4(netip.MustParseAddr(network.Gateway).As4()).WithPrefix(),
	}
	if err := s.AddProtocolAddress(nic, gateway, stack.AddressProperties{}); err != nil {
		return fmt.Errorf("set the address: %s", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return fmt.Errorf("take packets to all addresses: %s", err)
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return fmt.Errorf("answer from all addresses: %s", err)
	}
	return nil
}

// openListeners makes listeners of descriptors.
func openListeners(files []*os.File) ([]net.Listener, error) {
	var all []net.Listener
	for _, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			closeAll(all)
			return nil, fmt.Errorf("network stack: listen on a published port: %w", err)
		}
		all = append(all, l)
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
