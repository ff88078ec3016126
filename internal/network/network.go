// Package network is the private network of a container: a network namespace whose only way out is a pair of virtual
// Ethernet devices. The container uses one end, eth0. The other end has no address; what arrives there is read from a
// packet socket, the *link*, by a user-mode network stack outside of the namespace (package network/stack), which does
// all that the container wants of the world with ordinary sockets of its own.
//
// Packets wait in the link's queue. So the stack is started only when the link becomes readable, or when a first
// connection waits at the listener of a published port ([Wait] tells): a run that stays offline does not pay for it.
//
// This package is small, because every run links it: [Up] makes the devices and the link, the rest reads and writes the
// few words that a container's network is told with.
package network

// The addresses of every private network. They are those that other user-mode networks use, too.
const (
	// Container is the address of the container's eth0, in the network Subnet.
	Container = "10.0.2.100"
	// Gateway is the container's way out. A loopback service of the host that the container may use ([Allowed]) is
	// reached here, too; nothing else is.
	Gateway = "10.0.2.2"
	// NameServer answers the container's DNS questions, on port 53, by asking the host's resolvers.
	NameServer = "10.0.2.3"
	// Subnet is the network that all of them are in. Its other addresses are nobody's.
	Subnet = "10.0.2.0/24"
	// HostAlias is the name that the name server itself answers, with Gateway.
	HostAlias = "host.caisson.internal"
	// MTU of the devices, in bytes: the largest IP packet.
	MTU = 65520
)

// The Ethernet addresses at the two ends of the link. Both are fixed, so nobody has to ask for them (ARP) and the first
// packet of a container does not wait for an answer.
var (
	ContainerMAC = [6]byte{0x02, 0xca, 0x15, 0x50, 0x02, 0x64}
	GatewayMAC   = [6]byte{0x02, 0xca, 0x15, 0x50, 0x02, 0x02}
)

// VnetHeader is the length, in bytes, of the virtio network header (struct virtio_net_hdr, virtio 1.0 section 5.1.6)
// before every frame that is read from or written to the link. It says which checksum is still to be computed, and how
// a segment that is larger than the receiver wants is to be cut.
const VnetHeader = 10

// Config is what the stack of one container is told. It travels as JSON.
type Config struct {
	// Resolvers are the host's name servers, asked in this order: IP addresses, or ADDRESS:PORT.
	Resolvers []string `json:"resolvers,omitempty"`
	// Published are the container's ports that the stack's listeners lead to, one for each listener, in their order.
	Published []uint16 `json:"published,omitempty"`
	// Allowed are the services of the host's loopback that the container may use.
	Allowed []Allowed `json:"allowed,omitempty"`
}

// Allowed is a service of the host's loopback that a container may use.
type Allowed struct {
	Port uint16 `json:"port"` // where the container finds it: at Gateway, which HostAlias names
	Host string `json:"host"` // where it is on the host: ADDRESS:PORT
}
