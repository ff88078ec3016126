package embedded

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/payload"
	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// The builder is the second program in a detached sandbox. It belongs to no single client: whoever needs it connects to
// its socket, or starts it, and it ends with its last connection.
//
//	builder.sock   the socket
//	builder.lock   held while the builder is started, and by the builder while it ends
//	builder.alive  the name of the builder's cgroup; locked by the builder's supervisor for all its life
//	builder.log    what the builder had to say
const (
	builderSocket = "builder.sock"
	builderLock   = "builder.lock"
	builderAlive  = "builder.alive"
	builderLog    = "builder.log"
)

// cgroupOfBuilds begins the name of a builder's cgroup, the parent of those of all its RUN steps.
const cgroupOfBuilds = "caisson-build-"

// greetingTimeout bounds the time that a builder takes to open its databases.
const greetingTimeout = 60 * time.Second

// connectBuilder returns a connection to the running builder, after its greeting, or starts one.
func (s Store) connectBuilder(ctx context.Context) (*os.File, error) {
	if conn, err := s.joinBuilder(ctx); err == nil {
		return conn, nil
	}
	lock, err := waitLock(ctx, s.path(builderLock))
	if err != nil {
		return nil, fmt.Errorf("wait for the builder's start: %w", err)
	}
	defer lock.Close()
	if conn, err := s.joinBuilder(ctx); err == nil {
		return conn, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if _, err := s.sweepBuilder(); err != nil {
		return nil, err
	}
	conn, err := s.startBuilder(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	f, err := greeted(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("start the builder: %w%s", err, lastLines(s.path(builderLog)))
	}
	return f, nil
}

// startBuilder starts the builder's sandbox and returns a connection to it. The listening socket and the connection are
// made before it, and wait in each other's queue until it is ready: a builder whose starter died has seen it connected and
// gone, and ends at once.
func (s Store) startBuilder(ctx context.Context) (conn *net.UnixConn, err error) {
	program, err := payload.Unpack(s.Payload(), payload.Engine)
	if err != nil {
		return nil, err
	}
	runc, err := payload.Unpack(s.Payload(), payload.Runc)
	if err != nil {
		return nil, err
	}
	initProgram, err := payload.Unpack(s.Payload(), payload.Init)
	if err != nil {
		return nil, err
	}
	lis, err := s.listen(builderSocket)
	if err != nil {
		return nil, err
	}
	defer lis.Close()
	task := serveTask{Program: program, Request: wire.ServeRequest{
		Store: string(s), Runc: runc, Init: initProgram, Cgroup: cgroupOfBuilds + strings.ToLower(rand.Text()[:10]), Rootless: rootless(),
	}}
	s.offerEmulators(&task)
	f, err := s.form()
	if err != nil {
		return nil, err
	}
	task.Request.Copies = !f.Upper
	// The supervisor of the last builder may hold it for another moment.
	alive, err := waitLock(ctx, s.path(builderAlive))
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", builderAlive, err)
	}
	defer alive.Close() // the supervisor has the same open file, and with it the lock
	if _, err := alive.WriteString(task.Request.Cgroup); err != nil {
		return nil, storeError(string(s), err)
	}
	u, err := users()
	if err != nil {
		return nil, err
	}
	if err := os.Remove(s.path(wire.ProxiesFile)); err != nil && !errors.Is(err, os.ErrNotExist) { // of the last builder's callers
		return nil, storeError(string(s), err)
	}
	out, err := os.Create(s.path(builderLog))
	if err != nil {
		return nil, storeError(string(s), err)
	}
	defer out.Close()
	if conn, err = s.dialBuilder(ctx); err != nil {
		return nil, err
	}
	_, err = sandbox.Start(sandbox.Options{Files: []*os.File{lis, alive}, Output: out, Detached: true, Users: u}, "builder", task)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// sweepBuilder removes what a killed builder left: its cgroups. The lock on builder.alive says whether it lives; the file
// is never removed, so that everybody locks the same one, and it is empty when there is nothing to sweep.
func (s Store) sweepBuilder() ([]engine.Leftover, error) {
	if st, err := os.Stat(s.path(builderAlive)); err != nil || st.Size() == 0 {
		return nil, nil
	}
	f, err := lockFile(s.path(builderAlive), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil, nil // it lives
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 256))
	if err != nil {
		return nil, storeError(string(s), err)
	}
	name := string(b)
	if !strings.HasPrefix(name, cgroupOfBuilds) || strings.Contains(name, "/") {
		return nil, f.Truncate(0)
	}
	var left []engine.Leftover
	for _, d := range sweepBuild(f, name) {
		left = append(left, engine.Leftover{Kind: "cgroup", Name: d})
	}
	return left, nil
}

// sweepBuild removes the cgroups of a builder that has ended. When none is left it empties builder.alive, so that nobody
// looks again.
func sweepBuild(alive *os.File, name string) (removed []string) {
	dirs := cgroupDirs(name, true)
	removed = removeCgroups(dirs)
	if !anyExists(dirs) {
		_ = alive.Truncate(0)
	}
	return removed
}

func (s Store) listen(name string) (*os.File, error) {
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, storeError(string(s), err)
	}
	path, done, err := s.short(name)
	if err != nil {
		return nil, err
	}
	defer done()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, storeError(string(s), err)
	}
	l.SetUnlinkOnClose(false)
	defer l.Close()
	return l.File()
}

// joinBuilder connects and waits for the greeting.
func (s Store) joinBuilder(ctx context.Context) (*os.File, error) {
	c, err := s.dialBuilder(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return greeted(ctx, c)
}

func (s Store) dialBuilder(ctx context.Context) (*net.UnixConn, error) {
	path, done, err := s.short(builderSocket)
	if err != nil {
		return nil, err
	}
	defer done()
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return c.(*net.UnixConn), nil
}

// greeted waits for the builder's greeting and returns the connection as a file of its own.
func greeted(ctx context.Context, c *net.UnixConn) (*os.File, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	_ = c.SetReadDeadline(time.Now().Add(greetingTimeout))
	got := make([]byte, len(wire.Greeting))
	if _, err := io.ReadFull(c, got); err != nil {
		return nil, fmt.Errorf("no greeting: %w", err)
	}
	if string(got) != wire.Greeting {
		return nil, fmt.Errorf("a builder of another version answered (%q)", got)
	}
	return c.File()
}

// waitLock takes an exclusive lock, giving up when ctx is done.
func waitLock(ctx context.Context, path string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	got := make(chan result, 1) // written once
	go func() {
		f, err := lockFile(path, unix.LOCK_EX)
		got <- result{f, err}
	}()
	select {
	case r := <-got:
		return r.f, r.err
	case <-ctx.Done():
		go func() { // let the lock go when it comes
			if r := <-got; r.f != nil {
				r.f.Close()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

// notices are the lines of the running builder's log that are for people.
func (s Store) notices() (all []string) {
	b, _ := os.ReadFile(s.path(builderLog)) // no log, no notices
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, wire.Notice); ok {
			all = append(all, strings.TrimSpace(text))
		}
	}
	return all
}

// lastLines are the last words of a log, for an error message.
func lastLines(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var last []string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		last = append(last, sc.Text())
		if len(last) > 5 {
			last = last[1:]
		}
	}
	if len(last) == 0 {
		return ""
	}
	return "\n  " + strings.Join(last, "\n  ")
}
