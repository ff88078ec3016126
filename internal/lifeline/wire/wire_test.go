package wire

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func fullRequest() Request {
	return Request{
		Args: []string{"sh", "-c", "", "é\n"}, Env: []string{"A=1", "B="}, Dir: "/work", UID: MaxID, GID: 7,
		Groups: []int{0, MaxID}, UserName: "ada", Home: true, TTY: true, Rows: 65535, Cols: 1, Grace: 1500 * time.Millisecond,
	}
}

func TestRequestSurvivesTheJourney(t *testing.T) {
	for _, want := range []Request{fullRequest(), {}, {Args: []string{""}, Home: true}, {TTY: true}} {
		frame := want.Frame()
		size, err := PayloadSize(frame, MaxRequest)
		if err != nil || size != len(frame)-HeaderSize {
			t.Fatalf("size %d of %d, %v", size, len(frame), err)
		}
		got, err := ParseRequest(frame[HeaderSize:])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestMessageSurvivesTheJourney(t *testing.T) {
	for _, want := range []Message{
		{Kind: KindExited, Code: 255, Signal: 64, MemoryKills: 1, MemoryPeak: 1<<32 - 1},
		{Kind: KindResize, Rows: 65535, Cols: 2},
		{Kind: KindFailed, NotFound: true, Reason: "x: not found"},
	} {
		if got, err := ParseMessage(want.Frame()[HeaderSize:]); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

func TestEveryMessageFitsTheLimit(t *testing.T) {
	long := Message{Kind: KindFailed, Reason: string(make([]byte, 1<<20))}
	if _, err := PayloadSize(long.Frame(), MaxMessage); err != nil {
		t.Error(err)
	}
}

func TestTruncatedOrLongerPayloadsAreMalformed(t *testing.T) {
	req := fullRequest()
	whole := req.Frame()[HeaderSize:]
	for n := range len(whole) {
		if _, err := ParseRequest(whole[:n]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if _, err := ParseRequest(append(whole[:len(whole):len(whole)], 0)); !errors.Is(err, ErrMalformed) {
		t.Errorf("one byte too many: %v", err)
	}
	if _, err := ParseRequest(Message{Kind: KindKill}.Frame()[HeaderSize:]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a message as a request: %v", err)
	}
}

func TestDamagedPayloadsNeitherPanicNorTakeMemory(t *testing.T) {
	req := fullRequest()
	whole := req.Frame()[HeaderSize:]
	rnd := rand.New(rand.NewPCG(1, 2))
	damaged := make([]byte, len(whole))
	for range 20000 {
		copy(damaged, whole)
		for range 1 + rnd.IntN(4) {
			damaged[rnd.IntN(len(damaged))] = byte(rnd.Uint32())
		}
		got, err := ParseRequest(damaged)
		if err == nil && len(got.Args)+len(got.Env)+len(got.Groups) > len(damaged) {
			t.Fatalf("%d things out of %d bytes", len(got.Args)+len(got.Env)+len(got.Groups), len(damaged))
		}
		ParseMessage(damaged)
	}
}
