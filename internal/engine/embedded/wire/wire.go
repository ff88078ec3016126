// Package wire is what caisson and its second program, caisson-engine, say to each other. It is imported by both and so
// imports nothing that is slow to start.
//
// A call of caisson-engine is `caisson-engine VERB` with a request as one JSON value on standard input. Standard input
// stays open as long as the caller wants the work: its end cancels it. Messages come back on descriptor 4, one JSON value
// a line, the last of them a result or an error. Descriptor 3 is a connection to the builder where the verb needs one.
package wire

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"caisson/internal/engine"
	"caisson/internal/image"
)

// Verbs.
const (
	Serve   = "serve"   // the builder itself, inside a sandbox
	Build   = "build"   // one caller's build, over a connection to the builder
	Prune   = "prune"   // drop what no record holds, over a connection to the builder
	Plan    = "plan"    // read a Dockerfile
	Resolve = "resolve" // the digest of a reference in its registry
	BaseAdd = "base-add"
	BaseDel = "base-remove"
	Network = "network" // the user-mode network stack of one run, on its link
)

// Descriptors of a verb's process.
const (
	ConnFD   = 3 // the connection to the builder; the link of a network
	ResultFD = 4
	FirstFD  = 5 // of further files: the listeners of published ports
)

// Greeting is what the builder writes first on every connection that it has taken, so that a client knows that it did
// not connect to one that is about to end. The connection carries BuildKit's gRPC API afterwards.
const Greeting = "caisson builder 1\n"

// Notice begins a line of the builder's log that its callers pass on to people.
const Notice = "notice: "

// ProxiesFile, in the store, lists the loopback services that the callers of the running builder may use in build steps:
// one JSON list of network.Allowed a line.
const ProxiesFile = "builder.proxies"

// ServeRequest starts the builder.
type ServeRequest struct {
	Store  string // absolute
	Runc   string // path of the runtime
	Init   string // path of caisson-init, PID 1 of emulated steps
	Cgroup string // name of the parent cgroup of all RUN steps
	// Rootless: the builder is root of a user namespace only, and has no cgroups.
	Rootless bool
	// Copies: the store cannot hold the upper folders of overlays, so every layer is a copy of the one below it.
	Copies bool
	// Emulated are the foreign architectures that steps can run; Userns is the user namespace where they can, "" the
	// builder's own.
	Emulated []string
	Userns   string
}

// emulationPrefix begins the cgroup parent that a caller names for the steps of a foreign build.
const emulationPrefix = "caisson-emulate/"

// Emulation names how the steps of a build are emulated: by which emulators, told by a digest, and as which processor.
func Emulation(digest, cpu string) string { return emulationPrefix + digest + "/" + cpu }

// ParseEmulation returns the processor that Emulation was given; ok is false for any other cgroup parent.
func ParseEmulation(parent string) (cpu string, ok bool) {
	rest, ok := strings.CutPrefix(parent, emulationPrefix)
	_, cpu, _ = strings.Cut(rest, "/")
	return cpu, ok
}

// BuildRequest is one build.
type BuildRequest struct {
	engine.BuildRequest
	BaseDir string // OCI layout of the bases in caisson's own store
	// OwnBases are the FROM references that come from BaseDir: reference -> digest.
	OwnBases map[string]string
	// Emulation of foreign steps, see the function; "" is none.
	Emulation string
}

// PlanRequest is a Dockerfile to read.
type PlanRequest struct {
	File string
	Text []byte
}

// ResolveRequest is a reference to look up.
type ResolveRequest struct{ Ref string }

// BaseRequest adds or removes a base.
type BaseRequest struct {
	Dir    string // folder of the bases
	Ref    string
	Source string // of an added base
	Caller int    // uid of who adds it
}

// PruneRequest: All drops the build cache too, not only what no record holds.
type PruneRequest struct{ All bool }

// Message is one line that comes back.
type Message struct {
	Event  *engine.Event   `json:"event,omitempty"`
	Error  *Error          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Error is a failure that keeps its type over the wire.
type Error struct {
	Reason string             `json:"reason"`
	Build  *engine.BuildError `json:"build,omitempty"`
	Syntax *image.SyntaxError `json:"syntax,omitempty"`
	Base   *engine.BaseError  `json:"base,omitempty"`
}

// Record is what a run needs of a built image, written by the builder to <store>/records/<key>.json. Its snapshots are
// held by a lease in BuildKit's metadata, so a prune spares them.
type Record struct {
	Key     string
	Name    string
	Created time.Time
	// Lowers are the overlay lower folders, the top one first, relative to the store.
	Lowers []string
	Config json.RawMessage // OCI image configuration
}

// AsideMark is part of the name of everything that was moved aside because it was damaged.
const AsideMark = ".damaged-"

// Aside is the name that a damaged file or folder gets, so that it can be looked at and `caisson clean` finds it.
func Aside(path string) string {
	return path + AsideMark + strconv.FormatInt(time.Now().UnixNano(), 10)
}
