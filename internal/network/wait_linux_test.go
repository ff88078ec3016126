package network

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestWaitingEndsWithTheFirstReadableFileAndReadsNothing(t *testing.T) {
	silent, w1 := pipe(t)
	defer w1.Close()
	r, w := pipe(t)
	done := make(chan error, 1)
	go func() { done <- Wait(context.Background(), silent, r) }()
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("%d bytes are left: %v", n, err)
	}
}

func TestWaitingEndsWithAConnectionAtAPublishedPort(t *testing.T) {
	p := Publish{Addr: "127.0.0.1", Container: 80}
	listener, err := p.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error, 1)
	go func() { done <- Wait(context.Background(), listener) }()
	conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p.Host)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	r, w := pipe(t)
	defer w.Close()
	before := runtime.NumGoroutine()
	for range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if err := Wait(ctx, r); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Wait(ctx, r); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines at first, now %d", before, after)
	}
}

func TestManyWaitersTakeNoThreads(t *testing.T) {
	r, w := pipe(t)
	const waiters = 200
	done := make(chan error, waiters)
	for range waiters {
		go func() { done <- Wait(context.Background(), r) }()
	}
	time.Sleep(50 * time.Millisecond) // they all wait
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil || len(threads) > waiters/2 {
		t.Errorf("%d threads, %v", len(threads), err)
	}
	w.Close()
	for range waiters {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}
