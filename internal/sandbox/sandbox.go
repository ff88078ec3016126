// Package sandbox is the one construct under everything that the embedded engine starts: a set of namespaces, mounts
// and processes that is gone when its owner is.
//
// A sandbox is a small supervisor, cloned as PID 1 of new PID and mount namespaces, where need be in a user and a network
// namespace of its own, too. When it dies the kernel kills every
// process below it, and with the last of them the mounts go. There are two kinds of owner:
//
//   - A run's sandbox belongs to the client that started it. It gets KILL from the kernel when the client dies.
//   - A detached sandbox (the builder's) belongs to no single client: it has a session of its own and ends when its
//     task does.
//
// The two ends are client.go (who starts it) and supervisor.go (what runs inside). The supervisor is the caller's own
// program, started again under another name: so main calls [Main] before anything else. What the supervisor does is a
// task, registered by name with [Register] by the room that starts it.
package sandbox

import "encoding/json"

// supervisorName is the argv[0] under which the program is a supervisor.
const supervisorName = "caisson-supervisor"

// firstFile is the descriptor of the first of Options.Files in the supervisor; 3 is the request pipe.
const firstFile = 4

// How a supervisor lives, the word after its name.
const (
	bound    = "bound"    // dies with its client
	detached = "detached" // ends with its task
)

// mapped is a further word for a supervisor in a user namespace: it waits until its ids are mapped, for which the client
// writes mapsWritten into the request pipe.
const (
	mapped      = "mapped"
	mapsWritten = 1
)

// request is what the client tells its supervisor, over the pipe on descriptor 3. The client of a bound one keeps the
// pipe's write end open as long as it lives.
type request struct {
	Task  string          `json:"task"`
	Body  json.RawMessage `json:"body"`
	Files int             `json:"files"` // number of files handed over
}
