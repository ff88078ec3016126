// Package emulator lets containers run the programs of foreign processors, without touching the host.
//
// The kernel finds the emulator of a foreign program in its binfmt_misc table. Since Linux 6.7 every user namespace can
// have a table of its own, which its descendants see too and which hides the host's. So a caller finds the emulators it
// needs ([Find]), enters a new user namespace, and there registers them ([Register]). Nothing is registered anywhere
// else, and all is gone with the namespace.
//
// A root run keeps its user namespace for its mounts: for it a small process holds the table ([Serve]), in a user
// namespace with the identity map, and only the processes of the container join that.
package emulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Emulator is a user-mode emulator of this machine, a static program that the kernel starts in a foreign program's place.
type Emulator struct {
	Arch    string // Platform.Architecture of the programs that it runs: "arm"
	Path    string // absolute
	Version string // "7.2.22"
	Hash    string // of the file: "sha256:…"
}

// String names the emulator as a content key does: "arm qemu 7.2.22 sha256:…".
func (e Emulator) String() string { return fmt.Sprintf("%s qemu %s %s", e.Arch, e.Version, e.Hash) }

// keepsArgv0 says whether the emulator understands the kernel's flag P: it then gets the program's argv[0] besides its
// path. QEMU does since 6.0; an older one would take argv[0] for the first argument.
func (e Emulator) keepsArgv0() bool {
	major, _, _ := strings.Cut(e.Version, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 6
}

// ErrKernel is wrapped by errors about a kernel that has no private binfmt_misc.
var ErrKernel = errors.New("private emulators need Linux 6.7 or newer, built with binfmt_misc; " +
	"on an older kernel register them on the host: sudo apt-get install qemu-user-static binfmt-support")

// MissingError says that this machine has no emulator that can be used.
type MissingError struct {
	Arch    string
	Program string // what was looked for: "qemu-arm-static"
	Dynamic string // path of one that is there but needs a loader, which the container does not have; mostly ""
}

func (e *MissingError) Error() string {
	if e.Dynamic != "" {
		return fmt.Sprintf("run programs of %s: %s is not linked statically, so it does not work in a container; "+
			"install one that is: sudo apt-get install qemu-user-static", e.Arch, e.Dynamic)
	}
	return fmt.Sprintf("run programs of %s: there is no %s in PATH or /usr/bin; install it: sudo apt-get install qemu-user-static",
		e.Arch, e.Program)
}
