package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The devices' numbers. They are chosen, not asked for: some kernels put devices of their own, with the first numbers,
// into every new namespace.
const (
	loIndex   = 1 // always (net/core: LOOPBACK_IFINDEX)
	ethIndex  = 1002
	peerIndex = 1003
)

// vethPeer is VETH_INFO_PEER and noAutoAddr IN6_ADDR_GEN_MODE_NONE (linux/veth.h, linux/if_link.h).
const (
	vethPeer   = 1
	noAutoAddr = 1
)

// receiveBuffer is the size of the link's queue, in bytes, if it may be that large; else it is net.core.rmem_max.
const receiveBuffer = 8 << 20

// Loopback brings up the loopback device of this thread's network namespace.
func Loopback() error {
	var b batch
	b.up("bring up the loopback device", loIndex, 0)
	if err := b.do(); err != nil {
		return fmt.Errorf("private network: %w%s", err, rightsHint(err))
	}
	openToUsers()
	return nil
}

// openToUsers lets everybody in this network namespace listen on any port and ping, as Docker does: both are its own.
// Where /proc/sys is read-only it stays as it is.
func openToUsers() {
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
	_ = os.WriteFile("/proc/sys/net/ipv4/ping_group_range", fmt.Appendf(nil, "0 %d", lastGroup()), 0)
}

// lastGroup is the largest group id that this user namespace has, as far as the kernel takes it for a range of groups.
func lastGroup() int {
	b, err := os.ReadFile("/proc/self/gid_map")
	if err != nil {
		return 0
	}
	last := 0
	for line := range strings.Lines(string(b)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err == nil {
			last = max(last, inside+count-1)
		}
	}
	return min(last, math.MaxInt32)
}

// Up sets up the new network namespace of this thread, which is locked and has CAP_NET_ADMIN and CAP_NET_RAW there, and
// returns the link: a non-blocking packet socket from which the container's IPv4 packets are read, as Ethernet frames
// behind a virtio header ([VnetHeader]). As long as it is open the namespace with its devices stays.
func Up() (*os.File, error) {
	var b batch
	b.up("bring up the loopback device", loIndex, 0)
	b.request("make a veth pair", unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b.pair)
	b.quiet(ethIndex)
	b.quiet(peerIndex)
	b.request("give eth0 its address", unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b.address)
	// Without ARP every packet goes out at once, with eth0's own address as its destination. That is not the peer's, so
	// the kernel's own IP does not look at it.
	// The peer comes first: a device that comes up while the other end is down drops all that is sent on it until the
	// kernel has noticed the other end, which can take a second.
	b.up("bring up the peer of eth0", peerIndex, unix.IFF_NOARP)
	b.up("bring up eth0", ethIndex, unix.IFF_NOARP)
	b.request("set the default route", unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, b.route)
	if err := b.do(); err != nil {
		var refused *stepError
		if errors.As(err, &refused) && refused.errno == unix.EOPNOTSUPP && refused.step == "make a veth pair" {
			return nil, errors.New("private network: this kernel has no veth devices (CONFIG_VETH, module veth): load the module, or use the host's network with `--network host`")
		}
		return nil, fmt.Errorf("private network: %w%s", err, rightsHint(err))
	}
	openToUsers()
	link, err := openLink()
	if err != nil {
		return nil, fmt.Errorf("private network: open a packet socket: %w", err)
	}
	return link, nil
}

// rightsHint: who made the namespace has all rights in it, unless a container took them.
func rightsHint(err error) string {
	if errors.Is(err, unix.EPERM) {
		return " (CAP_NET_ADMIN is missing; inside a container: start it with docker run --privileged, or use --network host)"
	}
	return ""
}

func (b *batch) up(step string, index int, flags uint32) {
	b.request(step, unix.RTM_NEWLINK, 0, func() { b.link(index, unix.IFF_UP|flags) })
}

func (b *batch) pair() {
	b.link(ethIndex, 0)
	b.attrString(unix.IFLA_IFNAME, "eth0")
	b.attr(unix.IFLA_ADDRESS, ContainerMAC[:])
	b.attrUint32(unix.IFLA_MTU, MTU)
	b.nest(unix.IFLA_LINKINFO, func() {
		b.attrString(unix.IFLA_INFO_KIND, "veth")
		b.nest(unix.IFLA_INFO_DATA, func() {
			b.nest(vethPeer, func() {
				b.link(peerIndex, 0)
				b.attrString(unix.IFLA_IFNAME, "caisson")
				b.attrUint32(unix.IFLA_MTU, MTU)
			})
		})
	})
}

// quiet keeps IPv6 from giving the device an address, and so from speaking on it. A kernel without IPv6 refuses.
func (b *batch) quiet(index int) {
	b.request("keep IPv6 addresses from the devices", unix.RTM_NEWLINK, 0, func() {
		b.link(index, 0)
		b.nest(unix.IFLA_AF_SPEC, func() {
			b.nest(unix.AF_INET6, func() { b.attr(unix.IFLA_INET6_ADDR_GEN_MODE, []byte{noAutoAddr}) })
		})
	})
	b.optional()
}

// address writes a struct ifaddrmsg.
func (b *batch) address() {
	ip, subnet := netip.MustParseAddr(Container).As4(), netip.MustParsePrefix(Subnet)
	b.buf = append(b.buf, unix.AF_INET, byte(subnet.Bits()), 0, unix.RT_SCOPE_UNIVERSE)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, ethIndex)
	b.attr(unix.IFA_LOCAL, ip[:])
	b.attr(unix.IFA_ADDRESS, ip[:])
}

// route writes a struct rtmsg.
func (b *batch) route() {
	gateway := netip.MustParseAddr(Gateway).As4()
	b.buf = append(b.buf, unix.AF_INET, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_BOOT, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST)
	b.buf = append(b.buf, 0, 0, 0, 0)
	b.attr(unix.RTA_GATEWAY, gateway[:])
	b.attrUint32(unix.RTA_OIF, ethIndex)
}
