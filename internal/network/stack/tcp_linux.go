package stack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// dialLimit is the longest that a connection to the outside may take. The container's kernel gives up after about
	// as long.
	dialLimit = 2 * time.Minute
	// portLimit is the longest that the container may take to accept a connection to a published port.
	portLimit = 30 * time.Second
	// A connection whose end in the container is silent is asked whether it still exists, after probeIdle and then
	// every probeEvery.
	probeIdle  = time.Minute
	probeEvery = 15 * time.Second
	// acceptPause follows a failed accept, which is one for lack of descriptors or memory.
	acceptPause = 50 * time.Millisecond
)

// inner is a connection that ends in the stack.
type inner struct {
	*gonet.TCPConn
	endpoint tcpip.Endpoint
}

func newInner(queue *waiter.Queue, ep tcpip.Endpoint) inner {
	idle, every := tcpip.KeepaliveIdleOption(probeIdle), tcpip.KeepaliveIntervalOption(probeEvery)
	_ = ep.SetSockOpt(&idle)
	_ = ep.SetSockOpt(&every)
	ep.SocketOptions().SetKeepAlive(true)
	ep.SocketOptions().SetDelayOption(false)
	return inner{gonet.NewTCPConn(queue, ep), ep}
}

// abort ends the connection at once, with a reset. Readers and writers return.
func (c inner) abort() {
	c.endpoint.Abort()
	_ = c.SetDeadline(time.Unix(1, 0))
}

// outer is a connection of an ordinary socket.
type outer struct{ *net.TCPConn }

func (c outer) abort() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// openTCP answers the first packet of a connection, on a goroutine of its own. The connection outside is made first: if
// it is refused, so is the container's.
func (s *server) openTCP(r *tcp.ForwarderRequest) {
	if !s.begin(s.tcp) {
		r.Complete(false) // its sender will try again
		return
	}
	defer s.end(s.tcp)
	id := r.ID()
	source, dest := addrPort(id.RemoteAddress, id.RemotePort), addrPort(id.LocalAddress, id.LocalPort)
	if source.Addr() == container && dest == nameServer {
		if in, ok := handshake(r); ok {
			s.names.serveTCP(s.ctx, in)
		}
		return
	}
	target, ok := s.targets.tcp(source.Addr(), dest)
	if !ok {
		r.Complete(true)
		return
	}
	out, err := dial(s.ctx, "tcp", target, dialLimit)
	if err != nil {
		r.Complete(!isTimeout(err))
		return
	}
	in, ok := handshake(r)
	if !ok {
		outer{out.(*net.TCPConn)}.abort()
		return
	}
	relay(s.ctx, in, outer{out.(*net.TCPConn)})
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// handshake lets the container's connection come about.
func handshake(r *tcp.ForwarderRequest) (inner, bool) {
	var queue waiter.Queue
	ep, err := r.CreateEndpoint(&queue)
	r.Complete(false)
	if err != nil {
		return inner{}, false
	}
	return newInner(&queue, ep), true
}

func dial(ctx context.Context, protocol, target string, limit time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: limit}
	return d.DialContext(ctx, protocol, target)
}

// accept leads the connections of a listener to a port of the container, until the listener is closed.
func (s *server) accept(l net.Listener, port uint16) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select {
			case <-s.ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		out := outer{conn.(*net.TCPConn)}
		if !s.begin(s.tcp) {
			out.abort()
			continue
		}
		go func() {
			defer s.end(s.tcp)
			in, err := s.dialContainer(port)
			if err != nil {
				out.abort()
				return
			}
			relay(s.ctx, in, out)
		}()
	}
}

// dialContainer connects to a port of the container, from the gateway's address.
func (s *server) dialContainer(port uint16) (inner, error) {
	ctx, cancel := context.WithTimeout(s.ctx, portLimit)
	defer cancel()
	var queue waiter.Queue
	ep, e := s.stack.NewEndpoint(tcp.ProtocolNumber, ipv4.ProtocolNumber, &queue)
	if e != nil {
		return inner{}, errors.New(e.String())
	}
	entry, ready := waiter.NewChannelEntry(waiter.WritableEvents)
	queue.EventRegister(&entry)
	defer queue.EventUnregister(&entry)
	if e = ep.Bind(tcpip.FullAddress{Addr: tcpip.AddrFrom4(gateway.As4())}); e == nil {
		e = ep.Connect(tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFrom4(container.As4()), Port: port})
	}
	if _, started := e.(*tcpip.ErrConnectStarted); started {
		select {
		case <-ctx.Done():
			ep.Abort()
			return inner{}, ctx.Err()
		case <-ready:
			e = ep.LastError()
		}
	}
	if e != nil {
		ep.Close()
		return inner{}, errors.New(e.String())
	}
	return newInner(&queue, ep), nil
}

// half is what relay needs of a connection.
type half interface {
	io.ReadWriteCloser
	CloseWrite() error
	abort()
}

// relay carries the bytes of two connections to each other until both have ended. The end of one direction is passed on
// and leaves the other open; a reset, or any other error, resets both.
func relay(ctx context.Context, a, b half) {
	abort := func() { a.abort(); b.abort() }
	stop := context.AfterFunc(ctx, abort)
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]half{{a, b}, {b, a}} {
		both.Go(func() {
			if carry(way[1], way[0]) != nil {
				abort()
			}
		})
	}
	both.Wait()
	a.Close()
	b.Close()
}

// carry copies from src until its end, and ends dst.
func carry(dst, src half) error {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return dst.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}

// bufferSize holds the largest datagram.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func addrPort(a tcpip.Address, port uint16) netip.AddrPort {
	ip, _ := netip.AddrFromSlice(a.AsSlice())
	return netip.AddrPortFrom(ip, port)
}
