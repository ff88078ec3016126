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
)

// aRun is one run on its way: what it is made of, and what has to be taken apart at its end.
type aRun struct {
	engine  *Engine
	spec    engine.RunSpec
	streams engine.Streams
	args    []string // the command with the image's ENTRYPOINT
	proxies []string // as the run sees them
	record  recordFile
	cgroup  cgroupPlace
	network *netns // nil unless private
	layer   *layer
}

// Run implements engine.Engine.
func (e *Engine) Run(ctx context.Context, spec engine.RunSpec, streams engine.Streams) (engine.ExitStatus, error) {
	var none engine.ExitStatus
	r, lock, err := e.newRun(spec, streams)
	if err != nil {
		return none, err
	}
	defer lock.Close()
	defer r.network.close()
	o, err := r.sandbox()
	if err != nil {
		return none, err
	}
	c, err := newContainer(o)
	if err != nil {
		return none, err
	}
	if r.layer, err = e.store.newLayer(spec.ID, c.box.Pid(), r.cgroup.dirs); err != nil {
		c.close()
		return none, err
	}
	defer r.layer.remove()
	defer c.close()
	task, err := r.task()
	if err != nil {
		return none, err
	}
	if err := c.box.Give("run", task); err != nil {
		return none, c.failed(err)
	}
	r.network.serve()
	status, err := c.command(ctx, r.request(), streams)
	if err == nil && ctx.Err() == nil {
		r.layer.remove() // nothing runs in it any more; meanwhile the kernel takes the sandbox's mounts apart
	}
	return status, err
}

// newRun finds out whether the run can be had at all, before anything is started. The lock holds its image.
func (e *Engine) newRun(spec engine.RunSpec, streams engine.Streams) (r *aRun, lock *os.File, err error) {
	r = &aRun{engine: e, spec: spec, streams: streams, proxies: spec.Proxies}
	if r.args, err = commandLine(spec); err != nil {
		return nil, nil, err
	}
	if r.spec.Network == "" {
		r.spec.Network = engine.NetworkPrivate
	}
	if r.cgroup, err = placeCgroup(spec.ID, spec.Limits); err != nil {
		return nil, nil, err
	}
	if r.record, lock, err = e.holdRecord(spec.Image.Key); err != nil {
		return nil, nil, err
	}
	if r.spec.Network == engine.NetworkPrivate {
		var allowed []network.Allowed
		r.proxies, allowed = network.ProxyEnv(spec.Proxies)
		if r.network, err = e.store.newNetns(spec, allowed, r.note); err != nil {
			lock.Close()
			return nil, nil, err
		}
	}
	return r, lock, nil
}

func (r *aRun) note(text string) {
	if r.streams.Note != nil {
		r.streams.Note(text)
	}
}

func (r *aRun) sandbox() (sandbox.Options, error) {
	u, err := users()
	o := sandbox.Options{Users: u, Network: r.spec.Network != engine.NetworkHost}
	if r.network != nil {
		o.Files = []*os.File{r.network.peer}
	}
	return o, err
}

// request is what the container's init is asked for.
func (r *aRun) request() lifeline.Request {
	env := environment(r.spec, r.proxies)
	if r.spec.CPU != "" {
		env = append(env, "QEMU_CPU="+r.spec.CPU)
	}
	return lifeline.Request{
		Args: r.args, Env: env, Dir: r.spec.Image.Config.WorkingDir,
		UID: r.spec.UID, GID: r.spec.GID, Groups: r.spec.Groups, UserName: r.spec.UserName, TTY: r.streams.TTY,
		Home: true, Grace: r.spec.Grace,
	}
}

// task is what the sandbox is told to do.
func (r *aRun) task() (runTask, error) {
	s := r.engine.store
	scratch := s.path("scratch")
	t := runTask{
		Overlay: sandbox.Overlay{
			Lowers: r.record.lowers(s), Upper: r.layer.upper(), Work: r.layer.work(), Target: filepath.Join(scratch, rootfsDir), UserXattr: rootless(),
		},
		Scratch: scratch, ID: "caisson-" + r.spec.ID, Rootless: rootless(), Cgroup: r.cgroup.path != "", Network: r.spec.Network,
	}
	f, err := s.form()
	if err != nil {
		return t, err
	}
	if !f.Upper {
		t.Overlay.Upper, t.Overlay.Work = filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
		r.note(f.words(s))
	}
	if t.Runc, err = payload.Unpack(s.Payload(), payload.Runc); err != nil {
		return t, err
	}
	if t.Emulators, err = r.engine.emulators(r.spec.Image.Architecture); err != nil {
		return t, err
	}
	spec, err := withSSH(r.spec)
	if err != nil {
		return t, err
	}
	r.spec = spec
	spec.Mounts = slices.Clone(spec.Mounts)
	for i, m := range spec.Mounts {
		t.Sources = append(t.Sources, m.Source)
		spec.Mounts[i].Source = pinned(scratch, i)
	}
	p := containerPaths{rootfs: t.Overlay.Target, files: filepath.Join(scratch, bundleDir), cgroup: r.cgroup.path, rootless: rootless()}
	if p.init, err = payload.Unpack(s.Payload(), payload.Init); err != nil {
		return t, err
	}
	if len(t.Emulators) > 0 && !rootless() {
		p.userns = filepath.Join(scratch, usernsFile)
	}
	oci, err := ociSpec(spec, p)
	if err != nil {
		return t, err
	}
	config, err := json.Marshal(oci)
	if err != nil {
		return t, fmt.Errorf("encode runtime specification: %w", err)
	}
	t.Files = append(networkFiles(spec), file{Name: "config.json", Content: config})
	for i, secret := range spec.Secrets {
		t.Files = append(t.Files, file{Name: secretFile(i), Content: secret.Value, Secret: true, UID: spec.UID, GID: spec.GID})
	}
	return t, nil
}

// secretFile is the i-th secret's file in the bundle.
func secretFile(i int) string { return "secret." + strconv.Itoa(i) }

// sshDir is where a container finds the sockets of SSH agents, by their ids.
const sshDir = "/run/caisson/ssh/"

// withSSH adds the sockets of SSH agents to the mounts, and tells programs of the only one, or of "default".
func withSSH(spec engine.RunSpec) (engine.RunSpec, error) {
	for _, a := range spec.SSH {
		socket, err := filepath.EvalSymlinks(a.Socket)
		if err != nil {
			return spec, fmt.Errorf("SSH agent %s: %w", a.ID, err)
		}
		spec.Mounts = append(slices.Clip(spec.Mounts), engine.Mount{Source: socket, Destination: sshDir + a.ID})
		if a.ID == "default" || len(spec.SSH) == 1 {
			spec.Env = append(slices.Clip(spec.Env), "SSH_AUTH_SOCK="+sshDir+a.ID)
		}
	}
	return spec, nil
}
