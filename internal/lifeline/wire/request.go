// Package wire is the language between PID 1 of a container and its client: what is said, and how it is written on the
// stream socket between them. It imports next to nothing, because PID 1 is started for every run and has to be small.
//
// A frame is a length of 4 bytes (big endian, of what follows), one byte of Kind, and a body. Descriptors travel with
// the first byte of a frame by SCM_RIGHTS. The first frame is the client's Request; from then on both sides send a
// Message when they have something to say.
package wire

import (
	"errors"
	"math"
	"time"
)

// Request says what PID 1 is to start. Without TTY it is accompanied by the descriptors of standard input, output and
// error, in this order; with TTY by none.
type Request struct {
	// Args is the command: a program, looked up in the PATH of Env when it has no slash, and its arguments.
	Args []string
	// Env is the command's whole environment, NAME=VALUE. PATH and HOME are added where they are missing.
	Env []string
	// Dir is the absolute working directory; it is made (root's, mode 0755) when it is missing. "" is "/".
	Dir string
	// UID and GID are the command's user and group, 0 to 2^32-2.
	UID, GID int
	// Groups are the command's supplementary groups.
	Groups []int
	// UserName is the wanted login name for UID where the image has none; "" is "caisson".
	UserName string
	// Home: give UID an entry in the account files and a writable home where the image has none. Without it the account
	// files are only read.
	Home bool
	// TTY: the command gets a new terminal, whose master side comes back with the Started message.
	TTY bool
	// Rows and Cols are the first size of the terminal in character cells; 0 leaves the kernel's default.
	Rows, Cols uint16
	// Grace is the time between TERM and KILL; it travels in whole milliseconds.
	Grace time.Duration
}

// MaxID is the largest user or group id; the one above it means "unchanged" to the kernel.
const MaxID = math.MaxUint32 - 1

// Check says what is wrong with a request that no init could serve.
func (r *Request) Check() error {
	if len(r.Args) == 0 {
		return errors.New("no command given")
	}
	for _, id := range append([]int{r.UID, r.GID}, r.Groups...) {
		if id < 0 || int64(id) > MaxID {
			return errors.New("user and group ids are numbers from 0 to 4294967294")
		}
	}
	if r.Grace < 0 || r.Grace.Milliseconds() > math.MaxUint32 {
		return errors.New("the grace period must be between 0 and 49 days")
	}
	return nil
}

// Frame returns the request as bytes to send.
func (r *Request) Frame() []byte {
	w := newWriter(KindRequest)
	w.strings(r.Args)
	w.strings(r.Env)
	w.string(r.Dir)
	w.number(uint32(r.UID))
	w.number(uint32(r.GID))
	w.number(uint32(len(r.Groups)))
	for _, g := range r.Groups {
		w.number(uint32(g))
	}
	w.string(r.UserName)
	w.bool(r.Home)
	w.bool(r.TTY)
	w.number(uint32(r.Rows))
	w.number(uint32(r.Cols))
	w.number(uint32(r.Grace.Milliseconds()))
	return w.frame()
}

// ParseRequest reads what Frame wrote, without the length.
func ParseRequest(payload []byte) (Request, error) {
	r := newReader(payload)
	if r.kind() != KindRequest {
		return Request{}, ErrMalformed
	}
	req := Request{
		Args: r.strings(),
		Env:  r.strings(),
		Dir:  r.string(),
		UID:  int(r.number()),
		GID:  int(r.number()),
	}
	for range r.count() {
		req.Groups = append(req.Groups, int(r.number()))
	}
	req.UserName = r.string()
	req.Home = r.bool()
	req.TTY = r.bool()
	req.Rows = uint16(r.number())
	req.Cols = uint16(r.number())
	req.Grace = time.Duration(r.number()) * time.Millisecond
	return req, r.end()
}
