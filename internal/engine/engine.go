// Package engine is the contract between the rooms that decide what to run and the engines that do it. An engine builds
// images and runs containers; it knows no project, no command line and no terminal of a person. What it has to tell on
// the way goes out as an Event.
package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"time"
)

// Engine builds images and runs containers. Every method honours its context.
type Engine interface {
	// Capabilities says what this engine can do on this machine, now.
	Capabilities(ctx context.Context) (Capabilities, error)
	// Image returns the image recorded under a content key. It starts nothing. An image that is not there, or whose
	// record cannot be used, is ErrNoImage; any other error is about the store itself.
	Image(ctx context.Context, key string) (Image, error)
	// Resolve returns the digest ("sha256:…") that a FROM reference stands for: of a base in caisson's own store, else as
	// last resolved in its registry, or as the registry says now when fresh is set or it was never asked. A reference
	// that nobody knows is a *BaseError.
	Resolve(ctx context.Context, ref string, fresh bool) (string, error)
	// Build makes the image and records it under req.Key. Cancelling ctx ends what the build does for this caller. A
	// failed step of the build is a *BuildError; any other error is the engine's own.
	Build(ctx context.Context, req BuildRequest, events func(Event)) (Image, error)
	// Run runs one container to its end. When ctx is done, the command's process group gets TERM and, after
	// spec.Grace, everything left gets KILL; Run returns only when nothing of the container is left. A command that
	// could not be started is a *StartError; any other error is the engine's own.
	Run(ctx context.Context, spec RunSpec, io Streams) (ExitStatus, error)
	// Sweep removes what dead clients left behind and says what it was.
	Sweep(ctx context.Context) ([]Leftover, error)
	// Close releases what the engine holds in this process.
	Close() error
}

// Capabilities is what an engine can do, so that no room needs to know engines by name.
type Capabilities struct {
	Name string // "embedded"
	// MountsTree: the engine can mount folders of this machine.
	MountsTree bool
	// PrivateNetwork: a run can have a network of its own.
	PrivateNetwork bool
	// DeviceCgroup: devices are limited by a device cgroup, for runs and for image builds.
	DeviceCgroup bool
}

// Network says what a run or the steps of a build can reach.
type Network string

// The networks. The zero value is NetworkPrivate.
const (
	NetworkPrivate Network = "private" // own loopback and ports, outgoing connections
	NetworkHost    Network = "host"    // that of this machine
	NetworkNone    Network = "none"    // own loopback only
)

// Publish leads from a TCP port of this machine to one of a run.
type Publish struct {
	Addr            string // an IP address of this machine
	Host, Container uint16 // Host 0 is any free port
}

// String is ADDRESS:HOST:CONTAINER, an IPv6 address in brackets.
func (p Publish) String() string {
	return net.JoinHostPort(p.Addr, strconv.Itoa(int(p.Host))) + ":" + strconv.Itoa(int(p.Container))
}

// Limits of a run; 0 is none.
type Limits struct {
	Memory int64   // bytes, swap included
	CPUs   float64 // processors' worth of time
	PIDs   int64   // processes and threads
}

// Any says whether there is a limit.
func (l Limits) Any() bool { return l != Limits{} }

// Secret is something that a run or build step reads from a file below /run/secrets, and that is stored nowhere.
type Secret struct {
	ID    string
	Value []byte
}

// SSHAgent is an agent whose socket a run or build step may use.
type SSHAgent struct {
	ID     string // "default" or a name
	Socket string // path of this machine
}

// ErrNoImage: no usable image is recorded under that key.
var ErrNoImage = errors.New("no such image")

// Image is a built image as a run needs it.
type Image struct {
	Key     string // content key, hexadecimal
	Name    string // "projectci/build.armv7"
	Created time.Time
	Config  ImageConfig
	// Architecture of the image in OCI's words, with its variant: "amd64", "arm/v7".
	Architecture string
}

// ImageConfig is what of an image's configuration matters to a run: the field "config" of an OCI image configuration.
// Source: https://github.com/opencontainers/image-spec/blob/main/config.md (a type of our own, since the module that has
// it costs every start a millisecond).
type ImageConfig struct {
	Entrypoint []string
	Cmd        []string
	Env        []string // NAME=VALUE
	WorkingDir string
}

// Emulated is how programs of foreign processors run.
type Emulated struct {
	Architectures []string // those that are needed, in OCI's words without variant: "arm"; empty is none
	CPU           string   // the processor to emulate, in the emulator's words: "cortex-a7"; "" is its default
}

// BuildRequest says what to build.
type BuildRequest struct {
	Key        string            // content key under which the image is recorded
	Name       string            // name for people: "projectci/build.armv7"
	Dockerfile string            // absolute path
	Context    string            // absolute path of the context folder
	Target     string            // stage, "" is the last one
	Args       map[string]string // build arguments
	// Bases pins FROM references to digests. A reference that is a base of caisson's own store is taken from there,
	// any other from its registry, at that digest.
	Bases   map[string]string
	NoCache bool
	Network Network
	Proxies []string // http_proxy=… and the like, of the caller's environment
	Secrets []Secret
	SSH     []SSHAgent
	Emulate Emulated
	// Progress is how the build shows itself on standard error: auto, tty, plain, json (events only) or quiet.
	Progress string
}

// BuildError is a build that failed by the user's own doing: a step that exits with a status, a bad Dockerfile.
type BuildError struct {
	Step   string   // "RUN make" as the Dockerfile has it, "" when it was no step
	Where  string   // "ci/docker/Dockerfile.build.x:12", "" when unknown
	Output []string // the last lines that the step printed
	Reason string   // one line
}

func (e *BuildError) Error() string { return e.Reason }

// BaseError is a FROM reference that neither caisson's own store nor a registry could give.
type BaseError struct{ Ref, Reason string }

func (e *BaseError) Error() string { return "cannot resolve base " + e.Ref + ": " + e.Reason }

// RunSpec says what to run. Paths named Source are of this machine.
type RunSpec struct {
	ID    string // run id; safe in a file name
	Image Image
	// Command is appended to the image's ENTRYPOINT; when it is empty the image's CMD is used.
	Command []string
	// NoCommandShell: with no Command, no ENTRYPOINT and no CMD, run /bin/sh instead of failing.
	NoCommandShell bool
	Env            []string // NAME=VALUE, over the image's ENV
	UID, GID       int      // the command's user
	Groups         []int    // its further groups
	UserName       string   // name for a passwd entry where the image has none for UID
	Hostname       string
	Mounts         []Mount
	ShmSize        int64 // bytes of /dev/shm
	Network        Network
	Publish        []Publish
	Proxies        []string // http_proxy=… and the like, of the caller's environment
	Limits         Limits
	Secrets        []Secret
	SSH            []SSHAgent
	CPU            string // the processor to emulate where the image is for a foreign one
	// Grace is the time between TERM and KILL.
	Grace time.Duration
}

// Mount is a folder or file of this machine, bound into the container.
type Mount struct {
	Source      string
	Destination string // absolute, in the container
	ReadOnly    bool
}

// Streams connects a run to its caller.
type Streams struct {
	Stdin  io.Reader // nil is an empty input; an *os.File is handed over as it is
	Stdout io.Writer
	Stderr io.Writer // unused with TTY
	// TTY: the command gets a terminal; Stdin must be the caller's, in raw mode. Its output goes to Stdout.
	TTY    bool
	Resize <-chan WindowSize // new sizes; may be nil; the first one is waited for when TTY
	// Kill ends the grace period at once when it is closed; may be nil.
	Kill <-chan struct{}
	// Note is told single lines for people, on the way; may be nil.
	Note func(string)
	// Started is called once the command runs, at the latest when Run returns without error; may be nil.
	Started func()
}

// WindowSize of a terminal, in character cells.
type WindowSize struct{ Rows, Cols uint16 }

// ExitStatus of a command that was started.
type ExitStatus struct {
	Code   int // 0-255; 128+N when it died by signal N
	Signal int // the signal that it died by, else 0
	// MemoryKills is how many processes the kernel ended because of Limits.Memory; MemoryPeak, in bytes, is the most that
	// the run used.
	MemoryKills int
	MemoryPeak  int64
}

// StartError is a command that could not be started.
type StartError struct {
	NotFound bool // exit status 127, else 126
	Reason   string
}

func (e *StartError) Error() string { return e.Reason }

// Event is what an engine tells on the way; Kind decides which fields are set.
type Event struct {
	Kind string    `json:"kind"` // build.step, build.log, note
	Time time.Time `json:"time"`
	// Step events: name, state ("started", "done", "cached", "failed").
	Step  string `json:"step,omitempty"`
	State string `json:"state,omitempty"`
	// Text of a log or note.
	Text string `json:"text,omitempty"`
}

// Leftover is one thing that a dead client left and Sweep removed.
type Leftover struct {
	Kind string // "cgroup", "folder"
	Name string
}
