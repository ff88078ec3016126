package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
	"caisson/internal/network"
	"caisson/internal/payload"
	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// runTask is the body of the sandbox task "run".
type runTask struct {
	Overlay sandbox.Overlay
	Scratch string            // the private tmpfs is mounted here
	Sources []string          // folders of the caller's, pinned as mounts/0, mounts/1 …
	Files   map[string]string // small files written into the tmpfs: name -> content
	Runc    string
	ID      string
	// Rootless: the sandbox is in a user namespace of its own and makes no cgroups.
	Rootless bool
	Network  engine.Network
}

// Names below the scratch tmpfs.
const (
	rootfsDir = "rootfs"
	bundleDir = "bundle" // config.json and the files that are bound into /etc
	stateDir  = "runc"
	mountsDir = "mounts"
)

func init() { sandbox.Register("run", superviseRun) }

// superviseRun is the part of a run inside its sandbox: mounts, then runc as the only child.
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
	if t.Rootless {
		if err := prepareRootless(t.Overlay); err != nil {
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
	for name, text := range t.Files {
		if err := os.WriteFile(filepath.Join(t.Scratch, bundleDir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// prepareRootless makes the root folder of the container root's, and sees to it that no cgroup is made.
func prepareRootless(o sandbox.Overlay) error {
	if err := os.Chown(o.Upper, 0, 0); err != nil {
		return fmt.Errorf("give the layer of the run to root of the user namespace: %w", err)
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

// Run implements engine.Engine.
func (e *Engine) Run(ctx context.Context, spec engine.RunSpec, streams engine.Streams) (engine.ExitStatus, error) {
	var none engine.ExitStatus
	args, err := commandLine(spec)
	if err != nil {
		return none, err
	}
	if spec.Network == "" {
		spec.Network = engine.NetworkPrivate
	}
	note := func(text string) {
		if streams.Note != nil {
			streams.Note(text)
		}
	}
	rec, lock, err := e.holdRecord(spec.Image.Key)
	if err != nil {
		return none, err
	}
	defer lock.Close()
	u, err := users()
	if err != nil {
		return none, err
	}
	o := sandbox.Options{Users: u, Network: spec.Network != engine.NetworkHost}
	proxies := spec.Proxies
	var n *netns
	if spec.Network == engine.NetworkPrivate {
		var allowed []network.Allowed
		proxies, allowed = network.ProxyEnv(spec.Proxies)
		if n, err = e.store.newNetns(spec, allowed, note); err != nil {
			return none, err
		}
		defer n.close()
		o.Files = []*os.File{n.peer}
	}
	c, err := newContainer(o)
	if err != nil {
		return none, err
	}
	layer, err := e.store.newLayer(spec.ID, c.box.Pid())
	if err != nil {
		c.close()
		return none, err
	}
	defer layer.remove()
	defer c.close()
	task, err := e.runTask(spec, rec, layer)
	if err != nil {
		return none, err
	}
	if err := c.box.Give("run", task); err != nil {
		return none, c.failed(err)
	}
	if n != nil {
		n.serve()
	}
	status, err := c.command(ctx, lifeline.Request{
		Args: args, Env: environment(spec, proxies), Dir: spec.Image.Config.WorkingDir,
		UID: spec.UID, GID: spec.GID, Groups: spec.Groups, UserName: spec.UserName, TTY: streams.TTY,
		Home: true, Grace: spec.Grace,
	}, streams)
	if err == nil && ctx.Err() == nil {
		layer.remove() // nothing runs in it any more; meanwhile the kernel takes the sandbox's mounts apart
	}
	return status, err
}

func (e *Engine) runTask(spec engine.RunSpec, rec recordFile, layer *layer) (runTask, error) {
	runc, err := payload.Unpack(e.store.Payload(), payload.Runc)
	if err != nil {
		return runTask{}, err
	}
	initProgram, err := payload.Unpack(e.store.Payload(), payload.Init)
	if err != nil {
		return runTask{}, err
	}
	scratch := e.store.path("scratch")
	rootfs := filepath.Join(scratch, rootfsDir)
	var sources []string
	spec.Mounts = slices.Clone(spec.Mounts)
	for i, m := range spec.Mounts {
		sources = append(sources, m.Source)
		spec.Mounts[i].Source = pinned(scratch, i)
	}
	oci, err := ociSpec(spec, containerPaths{rootfs: rootfs, files: filepath.Join(scratch, bundleDir), init: initProgram}, rootless())
	if err != nil {
		return runTask{}, err
	}
	config, err := json.Marshal(oci)
	if err != nil {
		return runTask{}, fmt.Errorf("encode runtime specification: %w", err)
	}
	files := map[string]string{"config.json": string(config)}
	networkFiles(files, spec)
	return runTask{
		Overlay: sandbox.Overlay{
			Lowers: rec.lowers(e.store), Upper: layer.upper(), Work: layer.work(), Target: rootfs, UserXattr: rootless(),
		},
		Scratch: scratch, Sources: sources, Files: files, Runc: runc, ID: "caisson-" + spec.ID,
		Rootless: rootless(), Network: spec.Network,
	}, nil
}
