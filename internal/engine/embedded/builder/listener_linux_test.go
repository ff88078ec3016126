package builder

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"caisson/internal/engine/embedded/wire"

	"golang.org/x/sys/unix"
)

// listening returns a listener that serves nobody, but accepts, and the address of its socket.
func listening(t *testing.T) (*listener, string) {
	t.Helper()
	dir := t.TempDir()
	addr := filepath.Join(dir, "sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: addr, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(dir, "lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lis, err := newListener(f, lock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() { // a server closes a connection when its client has
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
	return lis, addr
}

func dial(t *testing.T, addr string) (net.Conn, string) {
	t.Helper()
	c, err := net.Dial("unix", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, len(wire.Greeting))
	n, _ := io.ReadFull(c, b)
	return c, string(b[:n])
}

func ended(lis *listener, within time.Duration) bool {
	select {
	case <-lis.idle:
		return true
	case <-time.After(within):
		return false
	}
}

func TestTheBuilderEndsWithItsLastConnection(t *testing.T) {
	lis, addr := listening(t)
	first, greeting := dial(t, addr)
	if greeting != wire.Greeting {
		t.Fatalf("greeting %q", greeting)
	}
	second, _ := dial(t, addr)
	first.Close()
	if ended(lis, 100*time.Millisecond) {
		t.Fatal("it ended with a connection open")
	}
	second.Close()
	if !ended(lis, 5*time.Second) {
		t.Fatal("it did not end")
	}
	if c, greeting := dial(t, addr); greeting != "" {
		t.Errorf("a connection after the end was greeted: %q", greeting)
	} else {
		c.Close()
	}
}

func TestTheBuilderStaysWhileSomebodyIsJoining(t *testing.T) {
	lis, addr := listening(t)
	joining, err := os.OpenFile(lis.lockPath, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer joining.Close()
	if err := unix.Flock(int(joining.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	c, _ := dial(t, addr)
	c.Close()
	if ended(lis, 100*time.Millisecond) {
		t.Fatal("it ended while the start lock was held")
	}
	c, greeting := dial(t, addr)
	if greeting != wire.Greeting {
		t.Fatalf("the one who joined was not greeted: %q", greeting)
	}
	joining.Close()
	c.Close()
	if !ended(lis, 5*time.Second) {
		t.Fatal("it did not end when nobody joined any more")
	}
}
