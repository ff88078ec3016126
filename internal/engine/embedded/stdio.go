package embedded

import (
	"io"
	"os"
	"sync"

	"caisson/internal/engine"
)

// stdio are the descriptors of a command and the copies that feed the caller's streams.
type stdio struct {
	child [3]*os.File
	owned [3]bool
	wg    sync.WaitGroup
}

func newStdio(s engine.Streams) (*stdio, error) {
	st := &stdio{}
	if s.TTY {
		return st, nil
	}
	if err := st.input(s.Stdin); err != nil {
		return nil, err
	}
	for i, w := range []io.Writer{s.Stdout, s.Stderr} {
		pr, pw, err := os.Pipe()
		if err != nil {
			st.closeChild()
			return nil, err
		}
		st.child[i+1], st.owned[i+1] = pw, true
		st.wg.Go(func() {
			defer pr.Close() // a caller that no longer reads ends the command by SIGPIPE, as in any pipeline
			_, _ = io.Copy(w, pr)
		})
	}
	return st, nil
}

// input hands a file over as it is, so that the command takes no more of it than it reads.
func (st *stdio) input(r io.Reader) error {
	if f, ok := r.(*os.File); ok {
		st.child[0] = f
		return nil
	}
	st.owned[0] = true
	if r == nil {
		f, err := os.Open(os.DevNull)
		st.child[0] = f
		return err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	st.child[0] = pr
	go func() { // ends with the command (EPIPE) or the input
		_, _ = io.Copy(pw, r)
		pw.Close()
	}()
	return nil
}

func (st *stdio) closeChild() {
	for i, f := range st.child {
		if st.owned[i] && f != nil {
			f.Close()
		}
	}
}

// terminal moves bytes between the caller's terminal and the container's.
func (st *stdio) terminal(master *os.File, s engine.Streams) {
	go func() { _, _ = io.Copy(master, s.Stdin) }() // ends with the caller's input, or this process
	st.wg.Go(func() {
		defer master.Close()
		_, _ = io.Copy(s.Stdout, master) // EIO when the last process of the terminal is gone
	})
}

// finish waits until all output has reached the caller.
func (st *stdio) finish() { st.wg.Wait() }
