package wire

import "errors"

// ErrMalformed: the other side does not speak this language.
var ErrMalformed = errors.New("malformed message")

const (
	// HeaderSize is the length of a frame's length, in bytes.
	HeaderSize = 4
	// MaxRequest bounds the payload that PID 1 accepts, in bytes. The kernel's own bound for arguments and environment
	// together is 6 MiB (execve(2)).
	MaxRequest = 8 << 20
	// MaxMessage bounds the payload that the client accepts, in bytes.
	MaxMessage = 16 << 10

	maxReason = 8 << 10
)

// PayloadSize reads a header; a length of 0 or above limit is malformed.
func PayloadSize(header []byte, limit int) (int, error) {
	n := be32(header)
	if n == 0 || uint64(n) > uint64(limit) {
		return 0, ErrMalformed
	}
	return int(n), nil
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// writer collects a frame; its first four bytes are filled in at the end.
type writer struct{ buf []byte }

func newWriter(k Kind) *writer { return &writer{buf: []byte{0, 0, 0, 0, byte(k)}} }

func (w *writer) number(n uint32) {
	w.buf = append(w.buf, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func (w *writer) bool(b bool) {
	if b {
		w.number(1)
	} else {
		w.number(0)
	}
}

func (w *writer) string(s string) {
	w.number(uint32(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *writer) strings(list []string) {
	w.number(uint32(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

func (w *writer) frame() []byte {
	n := uint32(len(w.buf) - HeaderSize)
	w.buf[0], w.buf[1], w.buf[2], w.buf[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
	return w.buf
}

// reader takes a payload apart. After the first thing that does not fit it returns zeros, and end says so.
type reader struct {
	rest []byte
	bad  bool
}

func newReader(payload []byte) *reader { return &reader{rest: payload} }

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) kind() Kind {
	if b := r.take(1); b != nil {
		return Kind(b[0])
	}
	return 0
}

func (r *reader) number() uint32 {
	if b := r.take(4); b != nil {
		return be32(b)
	}
	return 0
}

func (r *reader) bool() bool { return r.number() != 0 }

// size is a number of bytes or things that the rest can hold, so that a lie about it costs no memory.
func (r *reader) size(each int) int {
	n := r.number()
	if uint64(n)*uint64(each) > uint64(len(r.rest)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) count() int { return r.size(4) }

func (r *reader) string() string { return string(r.take(r.size(1))) }

func (r *reader) strings() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, r.string())
	}
	return list
}

func (r *reader) end() error {
	if r.bad || len(r.rest) != 0 {
		return ErrMalformed
	}
	return nil
}
