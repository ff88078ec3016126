package stack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"caisson/internal/network"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// A resolver that does not answer is given nextResolver before the next one is asked, the last one lastResolver: a
	// C library asks again after five seconds.
	nextResolver = 2 * time.Second
	lastResolver = 5 * time.Second
	// maxQuestions is how many questions of a container are open at a time.
	maxQuestions = 128
	aliasTTL     = 60 // seconds
)

// resolver is the name server of a container. It passes questions and answers on as they are, except for HostAlias.
type resolver struct {
	servers []string // ADDRESS:PORT
	open    chan struct{}
}

func newResolver(servers []string) *resolver {
	r := &resolver{open: make(chan struct{}, maxQuestions)}
	for _, s := range servers {
		if _, err := netip.ParseAddrPort(s); err != nil {
			s = net.JoinHostPort(s, "53")
		}
		r.servers = append(r.servers, s)
	}
	return r
}

// serveUDP answers the questions of one socket of the container until it is idle.
func (r *resolver) serveUDP(ctx context.Context, conn net.Conn) {
	var answers sync.WaitGroup
	defer answers.Wait()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(dnsIdle))
		n, err := conn.Read(buf[:])
		if err != nil {
			return
		}
		question := append([]byte(nil), buf[:n]...)
		select {
		case r.open <- struct{}{}:
		default:
			continue // it will be asked again
		}
		answers.Go(func() {
			defer func() { <-r.open }()
			if answer := r.answer(ctx, "udp", question); answer != nil {
				_, _ = conn.Write(answer)
			}
		})
	}
}

// serveTCP answers the questions of one connection, one after the other.
func (r *resolver) serveTCP(ctx context.Context, conn inner) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.abort)
	defer stop()
	for {
		_ = conn.SetDeadline(time.Now().Add(dnsIdle + lastResolver))
		question, err := readFramed(conn)
		if err != nil {
			return
		}
		answer := r.answer(ctx, "tcp", question)
		if answer == nil || writeFramed(conn, answer) != nil {
			return
		}
	}
}

// answer is nil for what is no question.
func (r *resolver) answer(ctx context.Context, protocol string, question []byte) []byte {
	var p dnsmessage.Parser
	h, err := p.Start(question)
	if err != nil || h.Response {
		return nil
	}
	if q, err := p.Question(); err == nil && strings.EqualFold(q.Name.String(), network.HostAlias+".") {
		return reply(h, &q, dnsmessage.RCodeSuccess)
	}
	for i, server := range r.servers {
		limit := nextResolver
		if i == len(r.servers)-1 {
			limit = lastResolver
		}
		if answer, err := ask(ctx, protocol, server, question, limit); err == nil {
			return answer
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return reply(h, nil, dnsmessage.RCodeServerFailure)
}

// reply is an answer of our own: about the alias, if q is not nil.
func reply(h dnsmessage.Header, q *dnsmessage.Question, code dnsmessage.RCode) []byte {
	m := dnsmessage.Message{Header: dnsmessage.Header{
		ID: h.ID, Response: true, OpCode: h.OpCode, RecursionDesired: h.RecursionDesired, RecursionAvailable: true, RCode: code,
	}}
	if q != nil {
		m.Questions = []dnsmessage.Question{*q}
		if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: aliasTTL},
				Body:   &dnsmessage.AResource{A: gateway.As4()},
			}}
		}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

// ask passes a question on to a resolver of the host and returns its answer.
func ask(ctx context.Context, protocol, server string, question []byte, limit time.Duration) ([]byte, error) {
	conn, err := dial(ctx, protocol, server, limit)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(limit))
	if protocol == "tcp" {
		if err := writeFramed(conn, question); err != nil {
			return nil, err
		}
		return readFramed(conn)
	}
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	for {
		n, err := conn.Read(buf[:])
		if err != nil {
			return nil, err
		}
		if n >= 2 && [2]byte(buf[:2]) == [2]byte(question[:2]) { // the same id: not a late answer to another question
			return append([]byte(nil), buf[:n]...), nil
		}
	}
}

// readFramed reads a message behind its length in two bytes (RFC 1035 section 4.2.2).
func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	return b, nil
}

func writeFramed(w io.Writer, b []byte) error {
	if len(b) > 0xffff {
		return errors.New("message too long")
	}
	if _, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
