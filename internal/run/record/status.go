package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// InPlace is the mode of a run that sees the tree itself.
const InPlace = "in place"

// Info is what is known of a run when it starts.
type Info struct {
	Project  string    `json:"project"`
	Root     string    `json:"root"` // the source tree, absolute, without symbolic links
	Platform string    `json:"platform"`
	Image    string    `json:"image"` // its name for people
	Command  []string  `json:"command"`
	Mode     string    `json:"mode"` // InPlace
	Build    string    `json:"build,omitempty"`
	User     string    `json:"user"`
	Hostname string    `json:"hostname"` // the client's machine
	PID      int       `json:"pid"`      // the client
	Start    time.Time `json:"start"`
	// Boot names the present uptime of the client's kernel: two clients with one Boot share a machine, whatever their
	// host names are. Filled by Create, empty where the kernel has none.
	Boot string `json:"boot,omitempty"`
}

func (i *Info) fill() {
	if i.PID == 0 {
		i.PID = os.Getpid()
	}
	if i.Hostname == "" {
		i.Hostname, _ = os.Hostname() // a record without it is still a record
	}
	if i.Start.IsZero() {
		i.Start = time.Now()
	}
	i.Boot = bootID()
}

// bootID is what Linux made up when it started (random(4)).
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || len(data) < 36 {
		return ""
	}
	return string(data[:36])
}

// How says in which way a run ended.
type How string

// The ways in which a run ends.
const (
	Exited        How = "exited"          // the command ended by itself
	Signal        How = "signal"          // caisson was told to stop
	Timeout       How = "timeout"         // the time limit was over
	Killed        How = "killed"          // the client died
	FailedToStart How = "failed to start" // there was no command, or the engine failed
)

// End is how a run ended.
type End struct {
	Time   time.Time `json:"time"`
	Code   int       `json:"code"` // the exit status that caisson returns
	Signal int       `json:"signal,omitempty"`
	How    How       `json:"how"`
	Reason string    `json:"reason,omitempty"` // one line, for a run that failed to start
}

// Status is the content of status.json.
type Status struct {
	ID string `json:"id"`
	Info
	End *End `json:"end,omitempty"` // nil: not known to have ended
	// Incomplete is why the log or the events stop early, "" when they do not.
	Incomplete string `json:"incomplete,omitempty"`
}

func (s Status) encode() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return append(data, '\n'), nil
}

// write puts the status into its file, over what is there: the lock and the mark are on that very file, and on a full
// disk an old file still has its block. An end only adds to the text of a start, so that a reader in that moment sees
// one of the two, or something that is no JSON, never a mixture.
func (s Status) write(f *os.File) error {
	data, err := s.encode()
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > int64(len(data)) { // it was broken before
		err = f.Truncate(int64(len(data)))
	}
	return err
}

// rereads is how often a status is read again that is no JSON: it is being written, which takes microseconds.
const rereads = 3

// readStatus reads the status of the record in dir, whose name is its id.
func readStatus(dir string) (Status, error) {
	path := filepath.Join(dir, statusName)
	s, err := decodeFile(path)
	var syntax *json.SyntaxError
	for i := 0; i < rereads && errors.As(err, &syntax); i++ {
		s, err = decodeFile(path)
	}
	if err != nil {
		return s, err
	}
	if want := filepath.Base(dir); s.ID != want {
		return s, fmt.Errorf("%s is of run %q, not of %s", path, s.ID, want)
	}
	return s, nil
}

func decodeFile(path string) (s Status, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return Status{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
