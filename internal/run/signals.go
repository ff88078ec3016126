package run

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Interrupted is the cause of a context that a signal ended.
type Interrupted struct{ Signal syscall.Signal }

func (e *Interrupted) Error() string {
	return fmt.Sprintf("caisson got signal %d (%s)", int(e.Signal), e.Signal)
}

// Interrupts turns signals into the end of a context: the first INT, TERM or HUP cancels Context with *Interrupted as its
// cause, a second one closes Kill. SIGPIPE is caught, so that a reader who went away is an error of a write and not the
// death of caisson before it has cleaned up.
type Interrupts struct {
	Context context.Context
	Kill    <-chan struct{}
	stop    func()
}

// CatchSignals starts catching. Stop ends it.
func CatchSignals(parent context.Context) *Interrupts {
	ctx, cancel := context.WithCancelCause(parent)
	kill := make(chan struct{})
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGPIPE)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		seen := 0
		for {
			select {
			case <-done:
				return
			case s := <-ch:
				seen++
				cancel(&Interrupted{Signal: s.(syscall.Signal)})
				if seen == 2 {
					close(kill)
				}
			}
		}
	})
	return &Interrupts{Context: ctx, Kill: kill, stop: func() {
		signal.Stop(ch)
		close(done)
		wg.Wait()
		cancel(nil)
	}}
}

// Stop ends the catching of signals.
func (i *Interrupts) Stop() { i.stop() }
