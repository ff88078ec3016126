package stack

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/internal/network"
)

const volume = 100 << 20 // bytes

// stream is a reproducible stream of so many bytes, and what they sum to.
func stream(seed byte, size int64) (io.Reader, func() [32]byte) {
	h := sha256.New()
	r := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{seed}), size), h)
	return r, func() [32]byte { return [32]byte(h.Sum(nil)) }
}

// both sends a stream and, at the same time, receives another one to its end; they end by half-close.
func both(conn *net.TCPConn, seed byte) (sent, received [32]byte, n int64, err error) {
	out, sum := stream(seed, volume)
	errs := make(chan error, 1)
	go func() {
		_, err := io.Copy(struct{ io.Writer }{conn}, out)
		errs <- errors.Join(err, conn.CloseWrite())
	}()
	h := sha256.New()
	n, err = io.Copy(h, conn)
	err = errors.Join(err, <-errs)
	return sum(), [32]byte(h.Sum(nil)), n, err
}

func TestALargeStreamArrivesWholeInBothDirectionsAtOnce(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	type result struct {
		sent, received [32]byte
		err            error
	}
	outside := make(chan result, 1)
	at := listen(t, world+":0", func(c *net.TCPConn) {
		var r result
		r.sent, r.received, _, r.err = both(c, 2)
		outside <- r
	})
	conn := s.mustDial("tcp", at).(*net.TCPConn)
	began := time.Now()
	sent, received, n, err := both(conn, 1)
	r := <-outside
	if err != nil || r.err != nil {
		t.Fatal(err, r.err)
	}
	if n != volume || sent != r.received || received != r.sent {
		t.Errorf("%d bytes of %d came, or others than were sent", n, volume)
	}
	t.Logf("%.0f MB/s each way", volume/1e6/time.Since(began).Seconds())
}

func TestARequestThatEndsWithHalfCloseIsAnswered(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	at := listen(t, world+":0", func(c *net.TCPConn) {
		b, _ := io.ReadAll(c) // returns at the half-close only
		_, _ = c.Write(bytes.ToUpper(b))
	})
	conn := s.mustDial("tcp", at).(*net.TCPConn)
	if _, err := conn.Write([]byte("question")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(conn); err != nil || string(b) != "QUESTION" {
		t.Errorf("answer %q, %v", b, err)
	}
}

func TestARefusedConnectionIsRefusedAtOnceInside(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	began := time.Now()
	_, err := s.dial("tcp", world+":9")
	if took := time.Since(began); !errors.Is(err, syscall.ECONNREFUSED) || took > time.Second {
		t.Errorf("after %v: %v", took, err)
	}
}

func TestAResetReachesTheOtherSide(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	for _, from := range []string{"inside", "outside"} {
		t.Run(from, func(t *testing.T) {
			outside := make(chan *net.TCPConn, 1)
			seen := make(chan error, 1)
			at := listen(t, world+":0", func(c *net.TCPConn) {
				outside <- c
				_, err := c.Read(make([]byte, 1))
				seen <- err
			})
			in := s.mustDial("tcp", at).(*net.TCPConn)
			out := <-outside
			if from == "inside" {
				_ = in.SetLinger(0)
				in.Close()
			} else {
				_ = out.SetLinger(0)
				out.Close()
				<-seen
				_, err := in.Read(make([]byte, 1))
				seen <- err
			}
			if err := <-seen; !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other side sees %v", err)
			}
		})
	}
}

func TestAnAllowedServiceOfTheLoopbackIsReachedAndItsNeighbourIsNot(t *testing.T) {
	s := newSpace(t)
	greet := func(c *net.TCPConn) { _, _ = c.Write([]byte("hello")) }
	allowed, neighbour := listen(t, "127.0.0.1:0", greet), listen(t, "127.0.0.1:0", greet)
	_, port, _ := net.SplitHostPort(neighbour)
	s.serve(network.Config{Allowed: []network.Allowed{{Port: 3128, Host: allowed}}})
	if b, err := io.ReadAll(s.mustDial("tcp", network.Gateway+":3128")); err != nil || string(b) != "hello" {
		t.Errorf("the allowed service says %q, %v", b, err)
	}
	if _, err := s.dial("tcp", net.JoinHostPort(network.Gateway, port)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the neighbouring port: %v", err)
	}
}

func TestAPublishedPortLeadsToTheContainer(t *testing.T) {
	s := newSpace(t)
	publish := network.Publish{Addr: "127.0.0.1", Container: 8080}
	listener, err := publish.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s.serve(network.Config{Published: []uint16{8080}}, listener)
	s.in(func() {
		listen(t, ":8080", func(c *net.TCPConn) {
			if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != network.Gateway {
				t.Errorf("the peer of a published connection is %s", host)
			}
			b, _ := io.ReadAll(c)
			_, _ = c.Write(bytes.ToUpper(b))
		})
	})
	at := strings.TrimSuffix(publish.String(), ":8080")
	conn, err := net.DialTimeout("tcp", at, step)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(step))
	_, _ = conn.Write([]byte("question"))
	_ = conn.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(conn); err != nil || string(b) != "QUESTION" {
		t.Errorf("answer %q, %v", b, err)
	}
}

func TestTheFirstPacketIsNotLostWhenTheStackStartsLater(t *testing.T) {
	s := newSpace(t)
	at := listen(t, world+":0", func(c *net.TCPConn) { _, _ = c.Write([]byte("hello")) })
	dialed := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		conn, err := s.dial("tcp", at)
		if err != nil {
			t.Error(err)
		} else if b, err := io.ReadAll(conn); err != nil || string(b) != "hello" {
			t.Errorf("%q, %v", b, err)
		}
		dialed <- time.Since(began)
	}()
	if err := network.Wait(t.Context(), s.link); err != nil {
		t.Fatal(err)
	}
	const late = 300 * time.Millisecond // less than a second, after which the first packet would be sent again
	time.Sleep(late)
	s.serve(network.Config{})
	if took := <-dialed; took > 900*time.Millisecond {
		t.Errorf("the connection took %v: its first packet was lost", took)
	}
}

func TestTheStackEndsWithAllThatItStarted(t *testing.T) {
	s := newSpace(t)
	before := descriptors(t)
	stop := s.serve(network.Config{Resolvers: []string{world}})
	at := listen(t, world+":0", func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	var open []net.Conn
	for range 20 {
		open = append(open, s.mustDial("tcp", at), s.mustDial("udp", world+":7"))
		_, _ = open[len(open)-1].Write([]byte("x"))
	}
	stop()
	if _, err := open[0].Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection sees %v", err)
	}
	for _, c := range open {
		c.Close()
	}
	deadline := time.Now().Add(step)
	over := func() bool { return len(stackGoroutines()) == 0 && descriptors(t) <= before+1 } // the listener of this test
	for !over() && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if left := stackGoroutines(); len(left) > 0 {
		t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	if after := descriptors(t); after > before+1 {
		t.Errorf("%d descriptors at first, now %d", before, after)
	}
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
