package stack

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/internal/network"
)

// echo answers datagrams with themselves.
func echo(t testing.TB, at string) string {
	t.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(buf[:n], from)
		}
	}()
	return c.LocalAddr().String()
}

func TestDatagramsOfAllSizesComeBack(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	conn := s.mustDial("udp", echo(t, world+":0"))
	for _, size := range []int{0, 1, 1400, 9000, 65000, 65507} { // the last ones in fragments
		sent := bytes.Repeat([]byte{byte(size)}, size)
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(size, err)
		}
		buf := make([]byte, 1<<16)
		n, err := conn.Read(buf)
		if err != nil || !bytes.Equal(buf[:n], sent) {
			t.Fatalf("of %d bytes came %d: %v", size, n, err)
		}
	}
}

func TestAForbiddenDatagramIsRefused(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	at := echo(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(at)
	conn := s.mustDial("udp", net.JoinHostPort(network.Gateway, port))
	_, _ = conn.Write([]byte("x"))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAnIdleFlowOfDatagramsEnds(t *testing.T) {
	at := echo(t, "127.0.0.1:0")
	a, peer := pair(t)
	b, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	const idle = 300 * time.Millisecond
	go func() {
		defer close(done)
		exchange(context.Background(), a, b, idle)
	}()
	began := time.Now()
	for time.Since(began) < 3*idle { // it lives as long as it is used
		_, _ = peer.Write([]byte("x"))
		_ = peer.SetReadDeadline(time.Now().Add(step))
		if _, err := peer.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(idle / 10)
	}
	select {
	case <-done:
	case <-time.After(step):
		t.Error("the flow does not end")
	}
}

// pair is two datagram sockets that are connected to each other.
func pair(t testing.TB) (a, b *net.UDPConn) {
	t.Helper()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	first, err := net.ListenUDP("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	at := first.LocalAddr().(*net.UDPAddr)
	if b, err = net.DialUDP("udp", nil, at); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if a, err = net.DialUDP("udp", at, b.LocalAddr().(*net.UDPAddr)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// stackGoroutines are the goroutines that have the stack's own or its library's functions on them.
func stackGoroutines() []string {
	buf := make([]byte, 1<<20)
	var all []string
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(g, "gvisor.dev/") || strings.Contains(g, "stack.(*server)") || strings.Contains(g, "stack.relay") {
			all = append(all, g)
		}
	}
	return all
}
