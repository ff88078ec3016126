package initd

import (
	"io"
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"caisson/internal/lifeline/wire"
)

// line is the socket to the client, used by plain blocking calls.
type line struct{ fd int }

// newLine keeps the socket out of the command: a copy there would hide the end of this process from the client. So it
// does with whatever else leaked in from outside the container.
func newLine(fd int) *line {
	syscall.CloseOnExec(fd)
	unix.CloseRange(uint(fd), math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) // since Linux 5.11
	syscall.SetNonblock(fd, false)
	return &line{fd: fd}
}

// request waits for the first frame and returns its descriptors with it: three, or none with a terminal.
func (l *line) request() (wire.Request, []int, error) {
	payload, fds, err := l.read(true)
	if err != nil {
		return wire.Request{}, nil, err
	}
	req, err := wire.ParseRequest(payload)
	if err != nil {
		return req, nil, err
	}
	if req.TTY != (len(fds) == 0) || len(fds) != 0 && len(fds) != 3 {
		return req, nil, wire.ErrMalformed
	}
	return req, fds, nil
}

// listen hands on what the client says, and calls gone when it will say no more.
func (l *line) listen(said chan<- wire.Message, gone func()) {
	for {
		payload, _, err := l.read(false)
		if err != nil {
			gone()
			return
		}
		m, err := wire.ParseMessage(payload)
		if err != nil {
			gone()
			return
		}
		said <- m
	}
}

// tell sends a message, with descriptor fd unless it is negative. A client that cannot be told is gone, which listen
// will notice.
func (l *line) tell(m wire.Message, fd int) {
	var oob []byte
	if fd >= 0 {
		oob = syscall.UnixRights(fd)
	}
	frame := m.Frame()
	for len(frame) > 0 {
		n, err := syscall.SendmsgN(l.fd, frame, oob, nil, syscall.MSG_NOSIGNAL)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return
		}
		frame, oob = frame[n:], nil
	}
}

// read returns the payload of one frame. Descriptors are taken only where they may come; elsewhere the kernel closes
// them, as there is no room for them.
func (l *line) read(withFDs bool) ([]byte, []int, error) {
	var oob []byte
	if withFDs {
		oob = make([]byte, syscall.CmsgSpace(3*4))
	}
	var fds []int
	header := make([]byte, wire.HeaderSize)
	for got := 0; got < len(header); {
		n, noob, _, _, err := syscall.Recvmsg(l.fd, header[got:], oob, syscall.MSG_CMSG_CLOEXEC)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			return nil, nil, io.EOF
		}
		got += n
		fds = append(fds, rights(oob[:noob])...)
	}
	size, err := wire.PayloadSize(header, wire.MaxRequest)
	if err != nil {
		return nil, nil, err
	}
	payload := make([]byte, size)
	for got := 0; got < size; {
		n, err := syscall.Read(l.fd, payload[got:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if n == 0 {
			return nil, nil, io.EOF
		}
		got += n
	}
	return payload, fds, nil
}

func rights(oob []byte) []int {
	var fds []int
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for i := range messages {
		got, err := syscall.ParseUnixRights(&messages[i])
		if err == nil {
			fds = append(fds, got...)
		}
	}
	return fds
}
