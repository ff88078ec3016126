package emulator

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Ready is what Serve writes when the emulators are registered.
const Ready = "ready\n"

// Serve holds emulators for others: it registers them as Register does, writes Ready to ready, closes it, and waits until
// this process is killed. It is for a process that was just cloned into a user namespace of its own (as root with the
// identity map) and a mount namespace of its own. Others join the user namespace by /proc/PID/ns/user. It returns only
// an error; ready is closed then too, with nothing written.
func Serve(dir string, es []Emulator, ready io.WriteCloser) error {
	err := Register(dir, es)
	if err == nil {
		_, err = io.WriteString(ready, Ready)
	}
	if closeErr := ready.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("hold emulators: %w", err)
	}
	for { // the Go runtime signals its own threads
		if _, err := unix.Ppoll(nil, nil, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("hold emulators: wait: %w", err)
		}
	}
}
