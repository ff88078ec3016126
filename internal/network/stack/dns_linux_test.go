package stack

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"caisson/internal/network"

	"golang.org/x/net/dns/dnsmessage"
)

// question is a DNS question, as it travels.
func question(t testing.TB, id uint16, name string, kind dnsmessage.Type) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, b []byte) dnsmessage.Message {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(b); err != nil {
		t.Fatal(err)
	}
	return m
}

// answered is what a name server of the tests says: every name has this address.
var answered = [4]byte{203, 0, 113, 7}

func answerTo(t testing.TB, b []byte) []byte {
	m := parse(t, b)
	m.Response = true
	m.Answers = []dnsmessage.Resource{{
		Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
		Body:   &dnsmessage.AResource{A: answered},
	}}
	b, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return b
}

// nameServers answers on the host's loopback, by datagrams and connections.
func nameServers(t testing.TB) (at string) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
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
			late := bytes.Clone(buf[:n])
			late[0]++ // another question's
			_, _ = c.WriteTo(late, from)
			_, _ = c.WriteTo(answerTo(t, buf[:n]), from)
		}
	}()
	return listen(t, c.LocalAddr().String(), func(conn *net.TCPConn) {
		for {
			b, err := readFramed(conn)
			if err != nil {
				return
			}
			_ = writeFramed(conn, answerTo(t, b))
		}
	})
}

// resolve asks the container's name server.
func (s *space) resolve(protocol string, ask []byte) dnsmessage.Message {
	s.t.Helper()
	conn := s.mustDial(protocol, nameServer.String())
	if protocol == "tcp" {
		if err := writeFramed(conn, ask); err != nil {
			s.t.Fatal(err)
		}
		b, err := readFramed(conn)
		if err != nil {
			s.t.Fatal(err)
		}
		return parse(s.t, b)
	}
	if _, err := conn.Write(ask); err != nil {
		s.t.Fatal(err)
	}
	buf := make([]byte, 1<<16)
	n, err := conn.Read(buf)
	if err != nil {
		s.t.Fatal(err)
	}
	return parse(s.t, buf[:n])
}

func TestQuestionsGoToTheResolversOfTheHost(t *testing.T) {
	s := newSpace(t)
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0") // takes questions and does not answer
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	s.serve(network.Config{Resolvers: []string{nobody.LocalAddr().String(), nameServers(t)}})
	for _, protocol := range []string{"udp", "tcp"} {
		m := s.resolve(protocol, question(t, 77, "example.org.", dnsmessage.TypeA))
		if m.ID != 77 || len(m.Answers) != 1 || m.Answers[0].Body.(*dnsmessage.AResource).A != answered {
			t.Errorf("%s: %+v", protocol, m)
		}
	}
}

func TestAQuestionThatNoResolverAnswersFails(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{Resolvers: []string{"127.0.0.1:9"}})
	if m := s.resolve("udp", question(t, 1, "example.org.", dnsmessage.TypeA)); m.RCode != dnsmessage.RCodeServerFailure {
		t.Errorf("%+v", m)
	}
}

func TestTheHostAliasIsTheGateway(t *testing.T) {
	s := newSpace(t)
	s.serve(network.Config{})
	for _, protocol := range []string{"udp", "tcp"} {
		m := s.resolve(protocol, question(t, 5, "Host.caisson.INTERNAL.", dnsmessage.TypeA))
		if len(m.Answers) != 1 || netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A) != gateway {
			t.Errorf("%s: A: %+v", protocol, m)
		}
		m = s.resolve(protocol, question(t, 6, "host.caisson.internal.", dnsmessage.TypeAAAA))
		if len(m.Answers) != 0 || m.RCode != dnsmessage.RCodeSuccess || m.ID != 6 {
			t.Errorf("%s: AAAA: %+v", protocol, m)
		}
	}
}

func TestTheNameServerSurvivesWhatIsNoQuestion(t *testing.T) {
	r := newResolver([]string{"127.0.0.1:9"})
	response := question(t, 1, "a.", dnsmessage.TypeA)
	binary.BigEndian.PutUint16(response[2:], 1<<15) // a response
	for _, b := range [][]byte{nil, {1}, make([]byte, 11), response} {
		if answer := r.answer(context.Background(), "udp", b); answer != nil {
			t.Errorf("% x is answered with % x", b, answer)
		}
	}
	header := question(t, 1, "a.", dnsmessage.TypeA)[:12] // says that a question follows
	ctx, cancel := context.WithTimeout(context.Background(), step)
	defer cancel()
	began := time.Now()
	if r.answer(ctx, "udp", header) == nil || time.Since(began) > lastResolver/2 {
		t.Error("a truncated question is not answered with a failure")
	}
}
