package network

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// batch is a list of rtnetlink(7) requests that travel in one message. The few that are needed are written here: a
// library for all of them would cost every start of the program more than they do.
type batch struct {
	buf   []byte
	steps []string // what each request does, for its error
	minor []bool   // whether its error may be "not supported"
}

// request appends one request; its payload, header and attributes, is what fill writes.
func (b *batch) request(step string, kind, flags uint16, fill func()) {
	start := len(b.buf)
	b.buf = append(b.buf, make([]byte, unix.SizeofNlMsghdr)...)
	fill()
	b.steps = append(b.steps, step)
	b.minor = append(b.minor, false)
	header := b.buf[start:]
	binary.NativeEndian.PutUint32(header[0:], uint32(len(header)))
	binary.NativeEndian.PutUint16(header[4:], kind)
	binary.NativeEndian.PutUint16(header[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	binary.NativeEndian.PutUint32(header[8:], uint32(len(b.steps))) // its sequence number, from 1
}

// link writes a struct ifinfomsg: the device with this index, and the flags (IFF_…) to set.
func (b *batch) link(index int, flags uint32) {
	b.buf = append(b.buf, unix.AF_UNSPEC, 0, 0, 0)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, uint32(index))
	b.buf = binary.NativeEndian.AppendUint32(b.buf, flags)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, flags) // the mask of those that change
}

// attr writes an attribute.
func (b *batch) attr(kind uint16, value []byte) {
	b.nest(kind, func() { b.buf = append(b.buf, value...) })
}

func (b *batch) attrUint32(kind uint16, value uint32) {
	b.attr(kind, binary.NativeEndian.AppendUint32(nil, value))
}

func (b *batch) attrString(kind uint16, value string) { b.attr(kind, append([]byte(value), 0)) }

// nest writes an attribute whose value is what fill writes.
func (b *batch) nest(kind uint16, fill func()) {
	start := len(b.buf)
	b.buf = append(b.buf, make([]byte, unix.SizeofRtAttr)...)
	fill()
	binary.NativeEndian.PutUint16(b.buf[start:], uint16(len(b.buf)-start))
	binary.NativeEndian.PutUint16(b.buf[start+2:], kind)
	for len(b.buf)%unix.RTA_ALIGNTO != 0 { // every header before it is a multiple of it long
		b.buf = append(b.buf, 0)
	}
}

// optional says that the last request may fail with EAFNOSUPPORT or EOPNOTSUPP.
func (b *batch) optional() { b.minor[len(b.minor)-1] = true }

// stepError is a request that the kernel refused.
type stepError struct {
	step  string
	errno unix.Errno
}

func (e *stepError) Error() string { return e.step + ": " + e.errno.Error() }
func (e *stepError) Unwrap() error { return e.errno }

// do sends the requests in the network namespace of this thread and waits for all answers. The error is the first
// refusal, a *stepError; the kernel goes on after one.
func (b *batch) do() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open rtnetlink: %w", err)
	}
	defer unix.Close(fd)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1) // answers do not repeat the request
	if err := unix.Sendto(fd, b.buf, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("send to rtnetlink: %w", err)
	}
	var first error
	buf := make([]byte, 16<<10)
	for answers := 0; answers < len(b.steps); {
		n, err := unix.Read(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("read from rtnetlink: %w", err)
		}
		for rest := buf[:n]; len(rest) >= unix.SizeofNlMsghdr+4; answers++ {
			size := int(binary.NativeEndian.Uint32(rest))
			kind, seq := binary.NativeEndian.Uint16(rest[4:]), int(binary.NativeEndian.Uint32(rest[8:]))
			if kind != unix.NLMSG_ERROR || seq < 1 || seq > len(b.steps) {
				return fmt.Errorf("rtnetlink answered with an unknown message of type %d", kind)
			}
			errno := unix.Errno(-int32(binary.NativeEndian.Uint32(rest[unix.SizeofNlMsghdr:])))
			unsupported := errno == unix.EAFNOSUPPORT || errno == unix.EOPNOTSUPP
			if errno != 0 && first == nil && !(unsupported && b.minor[seq-1]) {
				first = &stepError{b.steps[seq-1], errno}
			}
			rest = rest[min((size+3)&^3, len(rest)):]
		}
	}
	return first
}
