package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"caisson/internal/emulator"
	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// binfmtDir is where the sandbox's own table of emulators is mounted, in its own /proc.
const binfmtDir = "/proc/sys/fs/binfmt_misc"

// usernsFile, in a sandbox's scratch folder, is a user namespace that has emulators.
const usernsFile = "userns"

func (s Store) emulatorCache() string { return s.path("image", "emulators") }

// Emulator finds the emulator of an architecture on this machine.
func (e *Engine) Emulator(arch string) (emulator.Emulator, error) {
	return emulator.Find(e.store.emulatorCache(), arch)
}

// emulators finds what an image of this architecture needs: nothing where the machine runs it itself.
func (e *Engine) emulators(arch string) ([]emulator.Emulator, error) {
	if arch == "" || emulator.Native(arch) {
		return nil, nil
	}
	p, err := emulator.Parse(arch)
	if err != nil {
		return nil, err
	}
	em, err := e.Emulator(p.Architecture)
	if err != nil {
		return nil, err
	}
	return []emulator.Emulator{em}, nil
}

// emulation names how the steps of a build are emulated, "" when they are not.
func (e *Engine) emulation(want engine.Emulated) (string, error) {
	if len(want.Architectures) == 0 {
		return "", nil
	}
	h := sha256.New()
	for _, arch := range want.Architectures {
		em, err := e.Emulator(arch)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, em)
	}
	return wire.Emulation(hex.EncodeToString(h.Sum(nil)[:8]), want.CPU), nil
}

// foreign are the architectures that a base can be made for besides the machine's own.
var foreign = []string{"amd64", "arm64", "arm", "386", "ppc64le", "s390x", "riscv64", "mips64le", "mipsle"}

// allEmulators are those of this machine. What is not there is missed when it is needed.
func (s Store) allEmulators() (all []emulator.Emulator) {
	for _, arch := range foreign {
		if emulator.Native(arch) {
			continue
		}
		if e, err := emulator.Find(s.emulatorCache(), arch); err == nil {
			all = append(all, e)
		}
	}
	return all
}

// offerEmulators tells a builder of this machine's emulators.
func (s Store) offerEmulators(t *serveTask) {
	t.Emulators = s.allEmulators()
	for _, e := range t.Emulators {
		t.Request.Emulated = append(t.Request.Emulated, e.Arch)
	}
	if len(t.Emulators) > 0 && !rootless() {
		t.Request.Userns = s.path("scratch", usernsFile)
	}
}

func init() { sandbox.Register("emulate", superviseEmulators) }

// superviseEmulators holds emulators in a user namespace of its own. Files: the pipe that is told when they are there.
func superviseEmulators(s *sandbox.Supervisor) (int, error) {
	var es []emulator.Emulator
	if err := s.Body(&es); err != nil {
		return 0, err
	}
	return 0, emulator.Serve(binfmtDir, es, s.File(0))
}

// haveEmulators makes emulators work below this sandbox. An ordinary user's is in a user namespace already; root's gets one
// beside it, with the same ids, at scratch/userns: overlays are mounted outside of it, since a layer's marks mean nothing
// inside, and only the container's processes join it.
func haveEmulators(scratch string, es []emulator.Emulator, rootless bool) error {
	if len(es) == 0 {
		return nil
	}
	if rootless {
		return emulator.Register(binfmtDir, es)
	}
	same, err := sandbox.Identity()
	if err != nil {
		return err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pr.Close()
	holder, err := sandbox.Start(sandbox.Options{Users: same, Files: []*os.File{pw}, Output: os.Stderr}, "emulate", es)
	pw.Close()
	if err != nil {
		return err
	}
	said, err := io.ReadAll(pr)
	if err != nil || string(said) != emulator.Ready {
		holder.Kill()
		_, _ = holder.Wait()
		return fmt.Errorf("the emulators could not be registered in a user namespace of their own")
	}
	return bindNamespace("/proc/"+strconv.Itoa(holder.Pid())+"/ns/user", filepath.Join(scratch, usernsFile))
}

func bindNamespace(ns, at string) error {
	if err := os.WriteFile(at, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(ns, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("keep user namespace of the emulators: %w", err)
	}
	return nil
}
