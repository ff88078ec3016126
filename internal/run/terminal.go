package run

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"caisson/internal/engine"

	"golang.org/x/term"
)

// terminal is the caller's, in raw mode: every key goes to the program, ^C too.
type terminal struct {
	fd    int
	saved *term.State
	sizes chan engine.WindowSize // closed by the goroutine that sends
	winch chan os.Signal
	done  chan struct{}
}

// CheckTerminal says whether an interactive run is possible, so that nobody waits for an image before they are told.
func CheckTerminal() error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return errors.New("-i needs a terminal on standard input and output; leave -i out to run a command in a pipe or under CI")
	}
	return nil
}

func openTerminal() (*terminal, error) {
	if err := CheckTerminal(); err != nil {
		return nil, err
	}
	fd := int(os.Stdin.Fd())
	saved, err := term.MakeRaw(fd)
	if err != nil {
		return nil, fmt.Errorf("put the terminal into raw mode: %w", err)
	}
	t := &terminal{fd: fd, saved: saved, sizes: make(chan engine.WindowSize, 1), winch: make(chan os.Signal, 1), done: make(chan struct{})}
	signal.Notify(t.winch, syscall.SIGWINCH)
	t.winch <- syscall.SIGWINCH // the first size
	go t.follow()
	return t, nil
}

// follow sends a size for each change until close.
func (t *terminal) follow() {
	defer close(t.sizes)
	for {
		select {
		case <-t.done:
			return
		case <-t.winch:
			cols, rows, err := term.GetSize(t.fd)
			if err != nil {
				cols, rows = 80, 24
			}
			select {
			case t.sizes <- engine.WindowSize{Rows: uint16(rows), Cols: uint16(cols)}:
			case <-t.done:
				return
			}
		}
	}
}

// close gives the terminal back as it was.
func (t *terminal) close() {
	signal.Stop(t.winch)
	close(t.done)
	_ = term.Restore(t.fd, t.saved)
}
