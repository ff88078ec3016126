package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"caisson/internal/emulator"
	"caisson/internal/engine"
	"caisson/internal/network"
	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// runTask is the body of the sandbox task "run". Files: the socket to the container's init, and with a private network
// the one that its link is sent over.
type runTask struct {
	Overlay   sandbox.Overlay
	Scratch   string   // the private tmpfs is mounted here
	Sources   []string // folders of the caller's, pinned as mounts/0, mounts/1 …
	Files     []file   // small files written into the tmpfs
	Runc      string
	ID        string
	Rootless  bool // the sandbox is in a user namespace of its own
	Cgroup    bool // the run gets one
	Network   engine.Network
	Emulators []emulator.Emulator
}

// file is a small file in a sandbox's tmpfs.
type file struct {
	Name     string // below the bundle
	Content  []byte
	Secret   bool // only for UID and GID to read
	UID, GID int
}

// Names below the scratch tmpfs.
const (
	rootfsDir = "rootfs"
	bundleDir = "bundle" // config.json, and the files that are bound into the container
	stateDir  = "runc"
	mountsDir = "mounts"
)

func init() { sandbox.Register("run", superviseRun) }

// superviseRun is the part of a run inside its sandbox: mounts and network, then runc as the only child.
func superviseRun(s *sandbox.Supervisor) (int, error) {
	var t runTask
	if err := s.Body(&t); err != nil {
		return 0, err
	}
	up := make(chan error, 1) // one value
	go func() { up <- setUpNetwork(s, t.Network) }()
	if err := mountRun(t); err != nil {
		return 0, err
	}
	if err := haveEmulators(t.Scratch, t.Emulators, t.Rootless); err != nil {
		return 0, err
	}
	if err := <-up; err != nil {
		return 0, err
	}
	code, err := s.Run(t.Runc, []string{
		"runc", "--root", filepath.Join(t.Scratch, stateDir), "--rootless", strconv.FormatBool(t.Rootless), "run", "--preserve-fds", "1",
		"--bundle", filepath.Join(t.Scratch, bundleDir), t.ID,
	}, os.Environ(), s.File(0))
	if t.Rootless {
		clearLayer(t.Overlay)
	}
	return code, err
}

// setUpNetwork fills the sandbox's network namespace. The client waits for the link of a private one.
func setUpNetwork(s *sandbox.Supervisor, mode engine.Network) error {
	switch mode {
	case engine.NetworkHost:
		return nil
	case engine.NetworkNone:
		return network.Loopback()
	}
	socket := s.File(1)
	defer socket.Close()
	return sendLink(socket)
}

// mountRun makes everything that runc finds: the root file system, the caller's folders, the bundle.
func mountRun(t runTask) error {
	if err := sandbox.Tmpfs(t.Scratch); err != nil {
		return err
	}
	for _, d := range []string{rootfsDir, bundleDir, stateDir, mountsDir} {
		if err := os.Mkdir(filepath.Join(t.Scratch, d), 0o755); err != nil {
			return err
		}
	}
	if filepath.Dir(t.Overlay.Upper) == t.Scratch { // in memory
		if err := errors.Join(os.Mkdir(t.Overlay.Upper, 0o755), os.Mkdir(t.Overlay.Work, 0o700)); err != nil {
			return err
		}
	}
	if t.Rootless {
		if err := prepareRootless(t); err != nil {
			return err
		}
	}
	if err := t.Overlay.Mount(); err != nil {
		return err
	}
	for i, source := range t.Sources {
		if err := sandbox.Pin(source, pinned(t.Scratch, i)); err != nil {
			return err
		}
	}
	for _, f := range t.Files {
		if err := f.write(filepath.Join(t.Scratch, bundleDir)); err != nil {
			return err
		}
	}
	return nil
}

func (f file) write(dir string) error {
	path := filepath.Join(dir, f.Name)
	if !f.Secret {
		return os.WriteFile(path, f.Content, 0o644)
	}
	if err := os.WriteFile(path, f.Content, 0o400); err != nil {
		return err
	}
	return os.Chown(path, f.UID, f.GID)
}

// prepareRootless makes the root folder of the container root's, and sees to it that no cgroup is made unless for limits.
func prepareRootless(t runTask) error {
	if err := os.Chown(t.Overlay.Upper, 0, 0); err != nil {
		return fmt.Errorf("give the layer of the run to root of the user namespace: %w", err)
	}
	if t.Cgroup {
		return nil
	}
	return sandbox.LockCgroups()
}

// clearLayer empties the layer of an ordinary user's run: it belongs to subordinate ids, and only in here they can be
// removed. What it leaves a sweep removes.
func clearLayer(o sandbox.Overlay) {
	if unix.Unmount(o.Target, unix.MNT_DETACH) == nil {
		_ = removeAll(o.Upper, o.Work)
	}
}

// pinned is where the i-th source is bound inside the sandbox.
func pinned(scratch string, i int) string {
	return filepath.Join(scratch, mountsDir, strconv.Itoa(i))
}
