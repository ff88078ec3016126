package lifeline

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"unicode"

	"caisson/internal/lifeline/wire"
)

// inbox collects one frame from the socket. A read that was broken off goes on where it stopped.
type inbox struct {
	buf  []byte // header and payload as far as they are in
	file *os.File
}

// read returns the next message and the one descriptor that may come with it. Further descriptors are closed.
func (b *inbox) read(sock *net.UnixConn) (wire.Message, *os.File, error) {
	for {
		want := wire.HeaderSize
		if len(b.buf) >= wire.HeaderSize {
			size, err := wire.PayloadSize(b.buf, wire.MaxMessage)
			if err != nil {
				b.drop()
				return wire.Message{}, nil, err
			}
			want += size
		}
		if len(b.buf) == want {
			m, err := wire.ParseMessage(b.buf[wire.HeaderSize:])
			if err != nil {
				b.drop()
				return m, nil, err
			}
			file := b.file
			b.buf, b.file = nil, nil
			return m, file, nil
		}
		if err := b.fill(sock, want-len(b.buf)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				b.drop()
			}
			return wire.Message{}, nil, err
		}
	}
}

// fill reads at most n bytes, never beyond the frame, so that a descriptor belongs to the frame that it came with.
func (b *inbox) fill(sock *net.UnixConn, n int) error {
	chunk := make([]byte, n)
	oob := make([]byte, syscall.CmsgSpace(4*4))
	got, noob, _, _, err := sock.ReadMsgUnix(chunk, oob)
	b.keep(oob[:noob])
	if err != nil {
		return err
	}
	if got == 0 {
		return io.EOF
	}
	b.buf = append(b.buf, chunk[:got]...)
	return nil
}

// keep takes the first descriptor of a frame and closes all others. The master side of a terminal is made pollable, so
// that closing it ends a read.
func (b *inbox) keep(oob []byte) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			if b.file != nil || !isCharDevice(fd) {
				syscall.Close(fd)
				continue
			}
			syscall.SetNonblock(fd, true)
			b.file = os.NewFile(uintptr(fd), "terminal")
		}
	}
}

// drop closes a descriptor whose frame did not come to an end.
func (b *inbox) drop() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

// isCharDevice: a terminal is one; a file or socket in its place is refused.
func isCharDevice(fd int) bool {
	var st syscall.Stat_t
	return syscall.Fstat(fd, &st) == nil && uint32(st.Mode)&syscall.S_IFMT == syscall.S_IFCHR
}

// goneOr turns the ways in which a stream socket says that its peer is gone into ErrGone.
func goneOr(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET) {
		return ErrGone
	}
	return err
}

// printable replaces what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
