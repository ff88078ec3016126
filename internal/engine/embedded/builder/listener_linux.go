package builder

import (
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"caisson/internal/engine/embedded/wire"

	"golang.org/x/sys/unix"
)

// firstClient bounds the wait for the connection of whoever started the builder.
const firstClient = 20 * time.Second

// listener greets every connection and knows when the last one is gone. Then it takes the start lock, so that nobody
// can be connecting while the builder ends; the lock is held until the process is gone.
type listener struct {
	net.Listener
	lockPath string
	idle     chan struct{} // closed once, under mu, when the builder is to end

	mu    sync.Mutex
	open  int
	ended bool
}

func newListener(socket *os.File, lockPath string) (*listener, error) {
	l, err := net.FileListener(socket)
	if err != nil {
		return nil, fmt.Errorf("take over the listening socket: %w", err)
	}
	socket.Close()
	lis := &listener{Listener: l, lockPath: lockPath, idle: make(chan struct{})}
	time.AfterFunc(firstClient, lis.endIfIdle)
	return lis, nil
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		ended := l.ended
		if !ended {
			l.open++
		}
		l.mu.Unlock()
		if ended { // no greeting: the client starts a new builder
			c.Close()
			continue
		}
		g := &greeted{Conn: c, l: l}
		if _, err := c.Write([]byte(wire.Greeting)); err != nil {
			g.Close()
			continue
		}
		return g, nil
	}
}

// endIfIdle ends the builder if nobody is connected. While somebody holds the start lock, a connection is on its way;
// whoever closes that one looks again.
func (l *listener) endIfIdle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open > 0 || l.ended {
		return
	}
	fd, err := unix.Open(l.lockPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		time.AfterFunc(20*time.Millisecond, l.endIfIdle)
		return
	}
	// fd is not closed: the lock ends with the process, after the databases are closed.
	l.ended = true
	close(l.idle)
}

// greeted is a connection that counts.
type greeted struct {
	net.Conn
	l    *listener
	once sync.Once
}

func (g *greeted) Close() error {
	err := g.Conn.Close()
	g.once.Do(func() {
		g.l.mu.Lock()
		g.l.open--
		g.l.mu.Unlock()
		g.l.endIfIdle()
	})
	return err
}
