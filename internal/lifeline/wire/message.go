package wire

// Kind tells frames apart.
type Kind byte

// What the client says.
const (
	KindRequest   Kind = iota + 1 // start the command; once, first
	KindTerminate                 // TERM now, KILL after the grace period
	KindKill                      // KILL now
	KindSignal                    // Signal to the command's process group
	KindResize                    // Rows and Cols of the terminal
)

// What PID 1 says.
const (
	KindStarted Kind = iota + 65 // the command runs; with TTY the master side comes along
	KindFailed                   // it could not be started: NotFound, Reason; PID 1 ends
	KindExited                   // it has ended: Code, Signal, MemoryKills, MemoryPeak; PID 1 ends
)

// Message is anything but the request; Kind decides which fields mean something.
type Message struct {
	Kind Kind
	// Code is the exit status, 0-255, 128+N after death by signal N.
	Code int
	// Signal is the one to deliver, or the one that the command died by; 0 is none.
	Signal     int
	Rows, Cols uint16
	// NotFound: there is no such command (status 127); otherwise it cannot be executed (status 126).
	NotFound bool
	// MemoryKills is how many processes the kernel ended for memory; MemoryPeak is the most that the container used, in KiB.
	MemoryKills, MemoryPeak uint32
	// Reason is one line for people.
	Reason string
}

// Frame returns the message as bytes to send. A long reason is cut.
func (m Message) Frame() []byte {
	reason := m.Reason
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	w := newWriter(m.Kind)
	w.number(uint32(m.Code))
	w.number(uint32(m.Signal))
	w.number(uint32(m.Rows))
	w.number(uint32(m.Cols))
	w.bool(m.NotFound)
	w.number(m.MemoryKills)
	w.number(m.MemoryPeak)
	w.string(reason)
	return w.frame()
}

// ParseMessage reads what Frame wrote, without the length.
func ParseMessage(payload []byte) (Message, error) {
	r := newReader(payload)
	m := Message{
		Kind:   r.kind(),
		Code:   int(r.number()),
		Signal: int(r.number()),
		Rows:   uint16(r.number()),
		Cols:   uint16(r.number()),
	}
	m.NotFound = r.bool()
	m.MemoryKills, m.MemoryPeak = r.number(), r.number()
	m.Reason = r.string()
	return m, r.end()
}
