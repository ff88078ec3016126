// Package agent is the protocol between a test and the machine that it has booted, and the machine's end of it: commands go
// in, what they print and how they end comes out. Both directions are streams of gob values on one connection.
package agent

import (
	"encoding/gob"
	"errors"
	"io"
	"sync"
	"time"
)

// Request asks for a command. IDs are the caller's, one for each; commands run side by side.
type Request struct {
	ID      int
	Command Command
}

// Command is what a machine is asked to run.
type Command struct {
	Args     []string // the first is looked up in the machine's PATH
	Env      []string // added to PATH and HOME
	Dir      string   // working folder; "" is /
	UID, GID uint32   // without other groups
	Cgroup   string   // the folder of the cgroup (v2) it starts in; "" is the agent's own, at the top
	Stdin    []byte
}

// Reply is a part of what a command prints, or its end. Each belongs to the request with its ID.
type Reply struct {
	ID             int
	Stdout, Stderr []byte
	End            *End // the last reply of a command
}

// End is how a command ended.
type End struct {
	Code    int    // -1 when it was killed by a signal
	Failure string // why it could not be started or waited for, "" when it was
}

// pipeDelay is how long what a command printed is waited for after its end: a background process may hold its streams.
const pipeDelay = 2 * time.Second

// Serve runs commands until the caller closes the connection, and returns when all of them have ended; nil is an orderly
// end.
func Serve(conn io.ReadWriter) error {
	out := &replies{encoder: gob.NewEncoder(conn)}
	in := gob.NewDecoder(conn)
	var running sync.WaitGroup
	defer running.Wait()
	for {
		var r Request
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		running.Go(func() {
			end := run(r, out)
			out.send(Reply{ID: r.ID, End: &end})
		})
	}
}

// replies is the connection's way out, one value at a time.
type replies struct {
	mu      sync.Mutex
	encoder *gob.Encoder
}

// send gives nothing back: when the caller has gone, Serve learns it from its next read.
func (r *replies) send(reply Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(reply)
}

// printer sends what a command writes to one of its streams.
type printer func(part []byte)

func (p printer) Write(part []byte) (int, error) {
	p(part)
	return len(part), nil
}
