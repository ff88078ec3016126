package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
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
	if err := sandbox.Tmpfs(t.Scratch); err != nil {
		return 0, err
	}
	for _, d := range []string{rootfsDir, bundleDir, stateDir, mountsDir} {
		if err := os.Mkdir(filepath.Join(t.Scratch, d), 0o755); err != nil {
			return 0, err
		}
	}
	if err := t.Overlay.Mount(); err != nil {
		return 0, err
	}
	for i, source := range t.Sources {
		if err := sandbox.Pin(source, pinned(t.Scratch, i)); err != nil {
			return 0, err
		}
	}
	for name, text := range t.Files {
		if err := os.WriteFile(filepath.Join(t.Scratch, bundleDir, name), []byte(text), 0o644); err != nil {
			return 0, err
		}
	}
	return s.Run(t.Runc, []string{
		"runc", "--root", filepath.Join(t.Scratch, stateDir), "run", "--preserve-fds", "1",
		"--bundle", filepath.Join(t.Scratch, bundleDir), t.ID,
	}, os.Environ(), s.File(0))
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
	rec, lock, err := e.holdRecord(spec.Image.Key)
	if err != nil {
		return none, err
	}
	defer lock.Close()
	layer, err := e.store.newLayer(spec.ID)
	if err != nil {
		return none, err
	}
	defer layer.remove()
	task, err := e.runTask(spec, rec, layer)
	if err != nil {
		return none, err
	}
	c, err := startContainer(task)
	if err != nil {
		return none, err
	}
	defer c.close()
	return c.command(ctx, lifeline.Request{
		Args: args, Env: environment(spec), Dir: spec.Image.Config.WorkingDir,
		UID: spec.UID, GID: spec.GID, Groups: spec.Groups, UserName: spec.UserName, TTY: streams.TTY,
		Home: true, Grace: spec.Grace,
	}, spec.Grace, streams)
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
	oci, err := ociSpec(spec, rootfs, filepath.Join(scratch, bundleDir), initProgram)
	if err != nil {
		return runTask{}, err
	}
	config, err := json.Marshal(oci)
	if err != nil {
		return runTask{}, fmt.Errorf("encode runtime specification: %w", err)
	}
	files := map[string]string{"config.json": string(config)}
	networkFiles(files, spec.Hostname)
	return runTask{
		Overlay: sandbox.Overlay{Lowers: rec.lowers(e.store), Upper: layer.upper(), Work: layer.work(), Target: rootfs},
		Scratch: scratch, Sources: sources, Files: files, Runc: runc, ID: "caisson-" + spec.ID,
	}, nil
}

// networkFiles are the host's resolver and hosts with the container's own name, as long as a run has the host's network.
func networkFiles(files map[string]string, hostname string) {
	resolv, _ := os.ReadFile("/etc/resolv.conf") // none is a valid configuration: the local name server
	hosts, _ := os.ReadFile("/etc/hosts")
	if len(hosts) == 0 {
		hosts = []byte("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	}
	files["resolv.conf"] = string(resolv)
	files["hosts"] = strings.TrimRight(string(hosts), "\n") + "\n127.0.1.1\t" + hostname + "\n"
	files["hostname"] = hostname + "\n"
}

// container is a started sandbox with the connection to the init in it.
type container struct {
	box  *sandbox.Sandbox
	conn *lifeline.Conn
	said *tail         // what the supervisor and runc had to say
	gone chan struct{} // closed when the supervisor has ended, and with it everything in the sandbox
}

func startContainer(task runTask) (*container, error) {
	conn, peer, err := lifeline.NewPair()
	if err != nil {
		return nil, err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	box, err := sandbox.Start(sandbox.Options{Task: "run", Body: task, Files: []*os.File{peer}, Output: pw})
	peer.Close()
	pw.Close()
	if err != nil {
		pr.Close()
		conn.Close()
		return nil, err
	}
	c := &container{box: box, conn: conn, said: readTail(pr), gone: make(chan struct{})}
	go func() {
		defer close(c.gone)
		_, _ = box.Wait() // its status is runc's; the init tells the command's own
	}()
	return c, nil
}

// close ends what is left of the sandbox and waits for it.
func (c *container) close() {
	c.box.Kill()
	<-c.gone
	c.conn.Close()
}

// command starts the command, moves its streams, and sees it to its end.
func (c *container) command(ctx context.Context, req lifeline.Request, grace time.Duration, s engine.Streams) (engine.ExitStatus, error) {
	var none engine.ExitStatus
	st, err := newStdio(s)
	if err != nil {
		return none, err
	}
	if s.TTY {
		if size, ok := <-s.Resize; ok {
			req.Rows, req.Cols = size.Rows, size.Cols
		}
	}
	err = c.conn.Start(req, st.child[0], st.child[1], st.child[2])
	st.closeChild()
	if err != nil {
		return none, c.failed(err)
	}
	stop := c.stopWhenDone(ctx, grace, s.Kill)
	defer stop()
	master, err := c.conn.Started(context.WithoutCancel(ctx))
	if err != nil {
		st.finish()
		return none, c.failed(err)
	}
	if master != nil {
		st.terminal(master, s)
		go c.resize(s.Resize)
	}
	if s.Started != nil {
		s.Started()
	}
	status, err := c.conn.Exit()
	<-c.gone
	st.finish()
	if err != nil {
		if ctx.Err() != nil { // killed after the grace period: no word of an exit any more
			return engine.ExitStatus{Code: 128 + int(unix.SIGKILL), Signal: int(unix.SIGKILL)}, nil
		}
		return none, c.failed(err)
	}
	return status, nil
}

func (c *container) resize(sizes <-chan engine.WindowSize) {
	for size := range sizes {
		_ = c.conn.Resize(size.Rows, size.Cols)
	}
}

// stopWhenDone asks the init to end the command when ctx is done. The init counts the grace period; a sandbox that is
// still there a second later is killed from outside.
func (c *container) stopWhenDone(ctx context.Context, grace time.Duration, kill <-chan struct{}) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		_ = c.conn.Terminate()
		select {
		case <-done:
			return
		case <-kill:
		case <-time.After(grace + time.Second):
		}
		c.box.Kill()
	})
	return func() { close(done); wg.Wait() }
}

// failed puts what runc or the supervisor said into an error that is about the engine, not the command.
func (c *container) failed(err error) error {
	if _, ok := errors.AsType[*engine.StartError](err); ok {
		return err
	}
	c.box.Kill()
	<-c.gone
	if said := c.said.String(); said != "" {
		return fmt.Errorf("start container: %s", said)
	}
	return fmt.Errorf("start container: %w", err)
}

// stdio are the descriptors of a command and the copies that feed the caller's streams.
type stdio struct {
	child [3]*os.File
	owned [3]bool
	wg    sync.WaitGroup
}

func newStdio(s engine.Streams) (*stdio, error) {
	st := &stdio{}
	if s.TTY {
		return st, nil
	}
	if err := st.input(s.Stdin); err != nil {
		return nil, err
	}
	for i, w := range []io.Writer{s.Stdout, s.Stderr} {
		pr, pw, err := os.Pipe()
		if err != nil {
			st.closeChild()
			return nil, err
		}
		st.child[i+1], st.owned[i+1] = pw, true
		st.wg.Go(func() {
			defer pr.Close() // a caller that no longer reads ends the command by SIGPIPE, as in any pipeline
			_, _ = io.Copy(w, pr)
		})
	}
	return st, nil
}

// input hands a file over as it is, so that the command takes no more of it than it reads.
func (st *stdio) input(r io.Reader) error {
	if f, ok := r.(*os.File); ok {
		st.child[0] = f
		return nil
	}
	st.owned[0] = true
	if r == nil {
		f, err := os.Open(os.DevNull)
		st.child[0] = f
		return err
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	st.child[0] = pr
	go func() { // ends with the command (EPIPE) or the input
		_, _ = io.Copy(pw, r)
		pw.Close()
	}()
	return nil
}

func (st *stdio) closeChild() {
	for i, f := range st.child {
		if st.owned[i] && f != nil {
			f.Close()
		}
	}
}

// terminal moves bytes between the caller's terminal and the container's.
func (st *stdio) terminal(master *os.File, s engine.Streams) {
	go func() { _, _ = io.Copy(master, s.Stdin) }() // ends with the caller's input, or this process
	st.wg.Go(func() {
		defer master.Close()
		_, _ = io.Copy(s.Stdout, master) // EIO when the last process of the terminal is gone
	})
}

// finish waits until all output has reached the caller.
func (st *stdio) finish() { st.wg.Wait() }
