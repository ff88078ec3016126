package stack

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"caisson/internal/network"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// prefix is the length of what stands before the IP packet on the link: the virtio header and the Ethernet header.
const prefix = network.VnetHeader + header.EthernetMinimumSize

// Values of a struct virtio_net_hdr (virtio 1.0 section 5.1.6).
const (
	needsChecksum = 1
	gsoTCPv4      = 1
)

const (
	maxSegment = 64 << 10 // bytes of the largest TCP segment that the kernel cuts for us
	smallFrame = 8 << 10  // up to this many bytes a received packet is copied, so that it does not hold a large buffer
)

// linkEndpoint is the link as a device of the stack. It has only two ends, whose addresses are known: to the stack it is
// a device without link layer, and the Ethernet header is a constant.
type linkEndpoint struct {
	file   *os.File // of the descriptor fd, which others have, too
	conn   syscall.RawConn
	fd     int
	done   chan struct{}                           // closed by the reader when it ends
	up     atomic.Pointer[stack.NetworkDispatcher] // what takes the packets; nil when detached
	broken context.CancelCauseFunc                 // called by the reader when the link breaks
}

var _ stack.GSOEndpoint = (*linkEndpoint)(nil)

// newLink opens the link once more: its descriptor may be in blocking mode, and belongs to the caller.
func newLink(link *os.File) (*linkEndpoint, error) {
	conn, err := link.SyscallConn()
	if err != nil {
		return nil, err
	}
	e := &linkEndpoint{done: make(chan struct{})}
	var dupErr error
	if err := conn.Control(func(fd uintptr) {
		e.fd, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
	}); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, os.NewSyscallError("dup", dupErr)
	}
	if err := unix.SetNonblock(e.fd, true); err != nil {
		unix.Close(e.fd)
		return nil, os.NewSyscallError("set non-blocking", err)
	}
	e.file = os.NewFile(uintptr(e.fd), "the link")
	if e.conn, err = e.file.SyscallConn(); err != nil {
		e.file.Close()
		return nil, err
	}
	return e, nil
}

// window is the TCP window, in bytes, that does not fill the queue of the link.
func (e *linkEndpoint) window() int {
	queue, err := unix.GetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		return 128 << 10
	}
	return min(max(queue/2, 128<<10), 4<<20)
}

// Attach is called by the stack. The reader is started later, with [linkEndpoint.start].
func (e *linkEndpoint) Attach(up stack.NetworkDispatcher) {
	if up == nil {
		e.up.Store(nil)
		return
	}
	e.up.Store(&up)
}

// start starts the reader. A packet that waits finds all of the stack in place.
func (e *linkEndpoint) start(broken context.CancelCauseFunc) {
	e.broken = broken
	go e.read()
}

// stop ends the reader and waits for it.
func (e *linkEndpoint) stop() {
	_ = e.file.SetReadDeadline(time.Unix(1, 0))
	<-e.done
}

// release closes the descriptor, when nobody writes any more.
func (e *linkEndpoint) release() { e.file.Close() }

// read takes packets from the link until it breaks or [linkEndpoint.stop] is called.
func (e *linkEndpoint) read() {
	defer close(e.done)
	view := buffer.NewViewSize(maxSegment)
	defer func() { view.Release() }()
	var head [prefix]byte
	frame := [][]byte{head[:], view.AsSlice()}
	for {
		var n int
		var readErr error
		err := e.conn.Read(func(fd uintptr) bool {
			for {
				if n, readErr = unix.Readv(int(fd), frame); readErr != unix.EINTR {
					return readErr != unix.EAGAIN
				}
			}
		})
		if err != nil {
			return // stopped
		}
		if readErr != nil {
			e.broken(fmt.Errorf("read from the link: %w", readErr))
			return
		}
		if n <= prefix {
			continue
		}
		packet := view
		if size := n - prefix; size <= smallFrame {
			packet = buffer.NewViewWithData(frame[1][:size])
		} else {
			packet.CapLength(size)
			view = buffer.NewViewSize(maxSegment)
			frame[1] = view.AsSlice()
		}
		e.deliver(packet)
	}
}

func (e *linkEndpoint) deliver(packet *buffer.View) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(packet)})
	defer pkt.DecRef()
	if up := e.up.Load(); up != nil {
		(*up).DeliverNetworkPacket(ipv4.ProtocolNumber, pkt)
	}
}

// WritePackets sends what the stack sends. A packet that finds the link full is lost, as on any network.
func (e *linkEndpoint) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range pkts.AsSlice() {
		if err := e.write(pkt); err != nil {
			return i, err
		}
	}
	return pkts.Len(), nil
}

func (e *linkEndpoint) write(pkt *stack.PacketBuffer) tcpip.Error {
	var head [prefix]byte
	encodeOffload(head[:network.VnetHeader], pkt)
	ethernet := head[network.VnetHeader:]
	copy(ethernet, network.ContainerMAC[:])
	copy(ethernet[6:], network.GatewayMAC[:])
	binary.BigEndian.PutUint16(ethernet[12:], uint16(ipv4.ProtocolNumber))
	frame := append(make([][]byte, 0, 8), head[:])
	frame = append(frame, pkt.AsSlices()...)
	for {
		_, err := unix.Writev(e.fd, frame)
		if err == nil {
			return nil
		}
		if errno := err.(unix.Errno); errno != unix.EINTR {
			return tcpip.TranslateErrno(errno)
		}
	}
}

// encodeOffload writes the virtio header: the kernel computes the checksum of TCP data, if anyone ever looks at it, and
// cuts what is larger than the receiver's segments.
func encodeOffload(h []byte, pkt *stack.PacketBuffer) {
	gso := pkt.GSOOptions
	if gso.Type != stack.GSOTCPv4 {
		return
	}
	if gso.NeedsCsum {
		h[0] = needsChecksum
		binary.LittleEndian.PutUint16(h[6:], header.EthernetMinimumSize+gso.L3HdrLen)
		binary.LittleEndian.PutUint16(h[8:], gso.CsumOffset)
	}
	binary.LittleEndian.PutUint16(h[2:], uint16(header.EthernetMinimumSize+pkt.HeaderSize()))
	if pkt.Data().Size() > int(gso.MSS) {
		h[1] = gsoTCPv4
		binary.LittleEndian.PutUint16(h[4:], gso.MSS)
	}
}

func (e *linkEndpoint) MTU() uint32 { return network.MTU }

// Capabilities: the container's kernel leaves checksums out, because the link says so.
func (e *linkEndpoint) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

func (e *linkEndpoint) GSOMaxSize() uint32               { return maxSegment }
func (e *linkEndpoint) SupportedGSO() stack.SupportedGSO { return stack.HostGSOSupported }

func (e *linkEndpoint) IsAttached() bool                        { return e.up.Load() != nil }
func (e *linkEndpoint) MaxHeaderLength() uint16                 { return 0 }
func (e *linkEndpoint) LinkAddress() tcpip.LinkAddress          { return "" }
func (e *linkEndpoint) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }
func (e *linkEndpoint) AddHeader(*stack.PacketBuffer)           {}
func (e *linkEndpoint) ParseHeader(*stack.PacketBuffer) bool    { return true }
func (e *linkEndpoint) SetMTU(uint32)                           {}
func (e *linkEndpoint) SetLinkAddress(tcpip.LinkAddress)        {}
func (e *linkEndpoint) Wait()                                   {}
func (e *linkEndpoint) Close()                                  {}
func (e *linkEndpoint) SetOnCloseAction(func())                 {}
