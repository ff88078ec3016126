package stack

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"caisson/internal/network"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

func TestOnlyAddressesOfTheWorldAreConnectedTo(t *testing.T) {
	to := newTargets([]network.Allowed{{Port: 3128, Host: "127.0.0.1:8888"}})
	cases := []struct{ source, dest, tcp, udp string }{
		{network.Container, "198.51.100.1:80", "198.51.100.1:80", "198.51.100.1:80"},
		{network.Container, "192.168.1.1:80", "192.168.1.1:80", "192.168.1.1:80"},
		{network.Container, "10.0.2.2:3128", "127.0.0.1:8888", ""},
		{network.Container, "10.0.2.2:3129", "", ""},
		{network.Container, "10.0.2.3:3128", "", ""},
		{network.Container, "10.0.2.100:80", "", ""},
		{network.Container, "10.0.2.255:80", "", ""},
		{network.Container, "127.0.0.1:80", "", ""},
		{network.Container, "127.255.0.1:80", "", ""},
		{network.Container, "0.0.0.0:80", "", ""},
		{network.Container, "0.1.2.3:80", "", ""},
		{network.Container, "224.0.0.1:80", "", ""},
		{network.Container, "255.255.255.255:80", "", ""},
		{network.Container, "250.0.0.1:80", "", ""},
		{network.Container, "[::1]:80", "", ""},
		{network.Container, "[::ffff:127.0.0.1]:80", "", ""},
		{network.Container, "198.51.100.1:0", "", ""},
		{"10.0.2.101", "198.51.100.1:80", "", ""},
		{"10.0.2.2", "10.0.2.2:3128", "", ""},
		{"127.0.0.1", "10.0.2.2:3128", "", ""},
	}
	for _, c := range cases {
		source, dest := netip.MustParseAddr(c.source), netip.MustParseAddrPort(c.dest)
		if host, ok := to.tcp(source, dest); host != c.tcp || ok != (c.tcp != "") {
			t.Errorf("a connection from %s to %s goes to %q", c.source, c.dest, host)
		}
		if host, ok := to.udp(source, dest); host != c.udp || ok != (c.udp != "") {
			t.Errorf("a datagram from %s to %s goes to %q", c.source, c.dest, host)
		}
	}
}

// visitors counts who reaches a port of all addresses of the host.
type visitors struct {
	port  uint16
	mu    sync.Mutex
	seen  []string
	first chan struct{} // one for each visitor
}

func newVisitors(t testing.TB) *visitors {
	t.Helper()
	v := &visitors{first: make(chan struct{}, 1000)}
	visit := func(who string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.seen = append(v.seen, who)
		v.first <- struct{}{}
	}
	at := listen(t, "0.0.0.0:0", func(c *net.TCPConn) { visit("tcp at " + c.LocalAddr().String()) })
	v.port = netip.MustParseAddrPort(at).Port()
	c, err := net.ListenPacket("udp4", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			visit("udp to " + string(buf[:n]))
		}
	}()
	return v
}

// craft makes an Ethernet frame with a connection's first packet, or a datagram whose text is its destination.
func craft(protocol tcpip.TransportProtocolNumber, source, dest string, port uint16) []byte {
	payload := header.TCPMinimumSize
	if protocol == header.UDPProtocolNumber {
		payload = header.UDPMinimumSize + len(dest)
	}
	frame := make([]byte, header.EthernetMinimumSize+header.IPv4MinimumSize+payload)
	copy(frame, network.GatewayMAC[:])
	copy(frame[6:], network.ContainerMAC[:])
	binary.BigEndian.PutUint16(frame[12:], uint16(header.IPv4ProtocolNumber))
	ip := header.IPv4(frame[header.EthernetMinimumSize:])
	ip.Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip)), TTL: 64, Protocol: uint8(protocol),
		SrcAddr: tcpip.AddrFrom4(netip.MustParseAddr(source).As4()), DstAddr: tcpip.AddrFrom4(netip.MustParseAddr(dest).As4()),
	})
	ip.SetChecksum(^ip.CalculateChecksum())
	if protocol == header.UDPProtocolNumber {
		header.UDP(ip.Payload()).Encode(&header.UDPFields{SrcPort: 4321, DstPort: port, Length: uint16(payload)})
		copy(ip.Payload()[header.UDPMinimumSize:], dest)
		return frame
	}
	header.TCP(ip.Payload()).Encode(&header.TCPFields{
		SrcPort: 4321, DstPort: port, SeqNum: 1, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagSyn, WindowSize: 1 << 15,
	})
	return frame
}

// A container with CAP_NET_RAW sends whatever it likes.
func TestCraftedPacketsDoNotReachTheLoopbackOfTheHost(t *testing.T) {
	for _, filtered := range []bool{true, false} {
		t.Run(fmt.Sprintf("filtered by the kernel %v", filtered), func(t *testing.T) {
			s := newSpace(t)
			v := newVisitors(t)
			if !filtered {
				conn, err := s.link.SyscallConn()
				if err == nil {
					err = conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			s.serve(network.Config{Allowed: []network.Allowed{{Port: 1, Host: "127.0.0.1:1"}}})
			s.in(func() {
				fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
				if err != nil {
					t.Error(err)
					return
				}
				defer unix.Close(fd)
				eth0, err := net.InterfaceByName("eth0")
				if err != nil {
					t.Error(err)
					return
				}
				send := func(source, dest string) {
					for _, protocol := range []tcpip.TransportProtocolNumber{header.UDPProtocolNumber, header.TCPProtocolNumber} {
						frame := craft(protocol, source, dest, v.port)
						if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: eth0.Index}); err != nil {
							t.Error(err)
						}
					}
				}
				for _, source := range []string{network.Container, network.Gateway, "10.0.2.101", "127.0.0.1", "0.0.0.0", world} {
					for _, dest := range []string{"127.0.0.1", "127.1.2.3", "0.0.0.0", "0.0.0.1", network.Gateway, network.NameServer, network.Container, "224.0.0.1", "255.255.255.255", world} {
						if source != network.Container || dest != world {
							send(source, dest)
						}
					}
				}
				send(network.Container, world) // the only good ones, to see that what is crafted so does arrive
			})
			for range 2 {
				select {
				case <-v.first:
				case <-time.After(step):
					t.Fatal("the good packets did not arrive")
				}
			}
			time.Sleep(200 * time.Millisecond) // for those that must not come
			v.mu.Lock()
			defer v.mu.Unlock()
			for _, who := range v.seen {
				if who != "udp to "+world && who != fmt.Sprintf("tcp at %s:%d", world, v.port) {
					t.Errorf("the host was reached: %s", who)
				}
			}
			if len(v.seen) != 2 {
				t.Errorf("%d visitors: %v", len(v.seen), v.seen)
			}
		})
	}
}

func TestTheGatewayAnswersAnEchoAndNobodyElseDoes(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	echo := []byte{8, 0, 0, 0, 0, 1, 0, 1}
	binary.BigEndian.PutUint16(echo[2:], ^uint16(0x0800+1+1))
	for _, c := range []struct {
		to       string
		limit    time.Duration
		answered bool
	}{{network.Gateway, step, true}, {world, 200 * time.Millisecond, false}} {
		conn := s.mustDial("ip4:icmp", c.to)
		if _, err := conn.Write(echo); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(c.limit))
		buf := make([]byte, 100)
		n, err := conn.Read(buf) // with the IP header
		if answered := err == nil && n > header.IPv4MinimumSize && buf[header.IPv4MinimumSize] == 0; answered != c.answered {
			t.Errorf("%s: answered %v: % x, %v", c.to, answered, buf[:n], err)
		}
	}
}

func TestTheStackEndsWithAnErrorWhenTheLinkBreaks(t *testing.T) {
	s := newSpace(t)
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), s.link, network.Config{}, nil) }()
	s.in(func() {
		if b, err := ipCommand("link", "del", "eth0"); err != nil {
			t.Errorf("%v\n%s", err, b)
		}
	})
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error")
		}
		t.Log(err)
	case <-time.After(step):
		t.Fatal("the stack goes on")
	}
}
