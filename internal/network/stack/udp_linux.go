package stack

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// A flow of datagrams ends when none has come, either way, for this long.
const (
	udpIdle = time.Minute
	dnsIdle = 10 * time.Second
)

// openUDP answers the first datagram of a flow, on the link's reader: nothing here waits. A forbidden one is answered
// with "port unreachable", which is what false says to the stack.
func (s *server) openUDP(r *udp.ForwarderRequest) bool {
	id := r.ID()
	source, dest := addrPort(id.RemoteAddress, id.RemotePort), addrPort(id.LocalAddress, id.LocalPort)
	names := source.Addr() == container && dest == nameServer
	target, ok := s.targets.udp(source.Addr(), dest)
	if !ok && !names {
		return false
	}
	if !s.begin(s.udp) {
		return true
	}
	var queue waiter.Queue
	ep, e := r.CreateEndpoint(&queue)
	if e != nil {
		s.end(s.udp)
		return true
	}
	in := gonet.NewUDPConn(&queue, ep)
	go func() {
		defer s.end(s.udp)
		defer in.Close()
		if names {
			s.names.serveUDP(s.ctx, in)
			return
		}
		out, err := dial(s.ctx, "udp", target, dialLimit)
		if err != nil {
			return
		}
		defer out.Close()
		exchange(s.ctx, in, out, udpIdle)
	}()
	return true
}

// exchange carries datagrams both ways until both are idle or one is broken.
func exchange(ctx context.Context, a, b net.Conn, idle time.Duration) {
	end := func() {
		_ = a.SetReadDeadline(time.Unix(1, 0))
		_ = b.SetReadDeadline(time.Unix(1, 0))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, end)()
	var last atomic.Int64 // time of the last datagram, nanoseconds since began
	began := time.Now()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			defer cancel()
			buf := buffers.Get().(*[bufferSize]byte)
			defer buffers.Put(buf)
			for ctx.Err() == nil {
				deadline := began.Add(time.Duration(last.Load()) + idle)
				if time.Until(deadline) <= 0 {
					return
				}
				_ = way[0].SetReadDeadline(deadline)
				if ctx.Err() != nil {
					return // end has been called before, and its deadline is lost
				}
				n, err := way[0].Read(buf[:])
				if isTimeout(err) {
					continue
				}
				if err != nil {
					return
				}
				last.Store(int64(time.Since(began)))
				_, _ = way[1].Write(buf[:n]) // one that cannot be sent is lost
			}
		})
	}
	both.Wait()
}
