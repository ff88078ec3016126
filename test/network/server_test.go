package network

import (
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
)

// answer is what a server says to everything but endless.
const answer = "the server's answer\n"

// endless is the path of a download that does not end.
const endless = "/endless"

// server is an HTTP server, and an HTTP proxy which answers for everybody, on this machine's loopback.
type server struct {
	port string
	mu   sync.Mutex
	urls []string      // that it was asked for, in their order
	lost chan struct{} // a value for each endless download whose client went away
}

func newServer(t testing.TB) *server {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	s := &server{lost: make(chan struct{}, 100)}
	_, s.port, _ = net.SplitHostPort(l.Addr().String())
	h := &http.Server{Handler: s}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Serve(l) // until it is closed
	}()
	t.Cleanup(func() {
		h.Close()
		<-done
	})
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.urls = append(s.urls, r.URL.String())
	s.mu.Unlock()
	if r.URL.Path != endless {
		_, _ = io.WriteString(w, answer) // a client that went away is the client's affair
		return
	}
	for block := make([]byte, 32<<10); ; {
		if _, err := w.Write(block); err != nil {
			s.lost <- struct{}{}
			return
		}
	}
}

// asked are the URLs so far.
func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.urls)
}
