package network

import (
	"encoding/binary"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// openLink opens the packet socket at the peer of eth0. All is set before it is bound: the first packet finds the filter.
func openLink() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if err := prepareLink(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "the link"), nil
}

func prepareLink(fd int) error {
	filter := linkFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
		return os.NewSyscallError("attach filter", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_VNET_HDR", err)
	}
	// Sending goes past the queueing discipline: the peer's is not yet active (see Up), and it has nothing to queue.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_QDISC_BYPASS", err)
	}
	// Beyond net.core.rmem_max only the host's root may go, not the root of a user namespace.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return os.NewSyscallError("setsockopt SO_RCVBUF", err)
		}
	}
	// The protocol excludes what this end sends by itself, which is seen only by sockets of all protocols.
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	return os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: peerIndex}))
}

// linkFilter is a program of the kernel's packet filter (BPF) that lets pass what the stack would answer: IPv4 of the
// container's own address to one host, and ICMP to the gateway only. So nobody starts the stack for a multicast report.
func linkFilter() []unix.SockFilter {
	const (
		source, dest, protocol = 14 + 12, 14 + 16, 14 + 9 // offsets in the frame
		multicast              = 0xe0000000               // 224.0.0.0, and all above
		pass                   = 0xffffffff               // how many bytes of the packet
	)
	number := func(s string) uint32 {
		ip := netip.MustParseAddr(s).As4()
		return binary.BigEndian.Uint32(ip[:])
	}
	load := func(size uint16, at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS | size, K: at}
	}
	jump := func(op uint16, k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | op, Jt: yes, Jf: no, K: k}
	}
	return []unix.SockFilter{
		load(unix.BPF_W, source),
		jump(unix.BPF_JEQ, number(Container), 0, 6), // else drop
		load(unix.BPF_W, dest),
		jump(unix.BPF_JGE, multicast, 4, 0),       // drop
		jump(unix.BPF_JEQ, number(Gateway), 2, 0), // pass
		load(unix.BPF_B, protocol),
		jump(unix.BPF_JEQ, unix.IPPROTO_ICMP, 1, 0), // drop
		{Code: unix.BPF_RET | unix.BPF_K, K: pass},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
}
