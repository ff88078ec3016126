// Package builder is the second program's side of image builds: BuildKit as a library. serve_linux.go is the builder
// itself, which runs inside a sandbox and serves BuildKit's API to several callers; build.go is one caller's end of it.
package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"caisson/internal/engine/embedded/wire"

	ctdsnapshot "github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/log"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/bklog"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/moby/buildkit/util/network/netproviders"
	"github.com/moby/buildkit/util/resolver"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	wrunc "github.com/moby/buildkit/worker/runc"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
)

// snapshotter is how layers are kept: as overlays, or as copies. Its name is part of folder names in the store.
func snapshotter(copies bool) string {
	if copies {
		return "native"
	}
	return "overlayfs"
}

// stopTime bounds how long the solves of the last client may take to end before the builder does: the kernel kills
// whatever is left of them.
const stopTime = 200 * time.Millisecond

// Serve runs the builder on a listening socket until its last connection closes.
func Serve(req wire.ServeRequest, socket *os.File) error {
	log.L.Logger.SetLevel(log.WarnLevel)
	bklog.L.Logger.SetLevel(log.WarnLevel)
	lis, err := newListener(socket, filepath.Join(req.Store, "builder.lock"))
	if err != nil {
		return err
	}
	keepFromLoopback(http.DefaultTransport.(*http.Transport)) // with which BuildKit fetches what a Dockerfile ADDs
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := openController(ctx, req)
	if err != nil {
		return err
	}
	srv := grpc.NewServer(grpc.WaitForHandlers(true), grpc.MaxRecvMsgSize(16<<20), grpc.MaxSendMsgSize(16<<20),
		// Without these an error loses its kind on the way, and with it the line of the Dockerfile.
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor), grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor))
	c.Register(srv)
	served := make(chan error, 1) // one value, when Serve returns
	go func() { served <- srv.Serve(lis) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve builds: %w", err)
	case <-lis.idle:
	}
	cancel()
	stopped := make(chan struct{}) // closed when all handlers have returned
	go func() {
		defer close(stopped)
		srv.Stop()
	}()
	select {
	case <-stopped:
		return c.Close()
	case <-time.After(stopTime):
		return nil
	}
}

// openController opens BuildKit on the store. A state that cannot be opened is moved aside, so that the next build works
// at the price of the cache.
func openController(ctx context.Context, req wire.ServeRequest) (*control.Controller, error) {
	root := filepath.Join(req.Store, "buildkit")
	c, err := tryController(ctx, req, root)
	if err == nil || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) {
		return c, err
	}
	aside, rerr := setAside(root)
	if rerr != nil {
		return nil, errors.Join(err, rerr)
	}
	fmt.Fprintf(os.Stderr, "%sthe build cache was damaged (%s); it was moved to %s, and all images are built anew (`caisson clean` removes it)\n",
		wire.Notice, firstLine(err), aside)
	return tryController(ctx, req, root)
}

func tryController(ctx context.Context, req wire.ServeRequest, root string) (c *control.Controller, err error) {
	defer func() { // bbolt panics on some kinds of damage
		if r := recover(); r != nil {
			c, err = nil, fmt.Errorf("open build cache: %v", r)
		}
	}()
	if err := prepareState(req, root); err != nil {
		return nil, err
	}
	if err := sweepExecutor(filepath.Join(root, "runc-"+snapshotter(req.Copies), "executor")); err != nil {
		return nil, err
	}
	w, err := newWorker(ctx, req, root)
	if err != nil {
		return nil, err
	}
	if err := w.dropLeases(ctx); err != nil {
		return nil, err
	}
	wc := &worker.Controller{}
	if err := wc.Add(w); err != nil {
		return nil, fmt.Errorf("add worker: %w", err)
	}
	cache, err := bboltcachestorage.NewStore(filepath.Join(root, "cache.db"))
	if err != nil {
		return nil, fmt.Errorf("open cache.db: %w", err)
	}
	history, err := boltutil.SafeOpen(filepath.Join(root, "history.db"), 0o600, boltOptions())
	if err != nil {
		return nil, fmt.Errorf("open history.db: %w", err)
	}
	sessions, err := session.NewManager()
	if err != nil {
		return nil, fmt.Errorf("open session manager: %w", err)
	}
	c, err = control.NewController(control.Opt{
		SessionManager:   sessions,
		WorkerController: wc,
		Frontends:        map[string]frontend.Frontend{"dockerfile.v0": forwarder.NewGatewayForwarder(wc.Infos(), dockerfile.Build)},
		CacheManager:     solver.NewCacheManager(ctx, "local", cache, worker.NewCacheResultStorage(wc)),
		HistoryDB:        history,
		CacheStore:       cache,
		LeaseManager:     w.LeaseManager(),
		ContentStore:     w.ContentStore(),
		GarbageCollect:   w.GarbageCollect,
		GracefulStop:     ctx.Done(),
		Entitlements:     []string{string(entitlements.EntitlementNetworkHost)}, // a caller still has to ask for it
	})
	if err != nil {
		return nil, fmt.Errorf("open controller: %w", err)
	}
	return c, nil
}

func boltOptions() *bolt.Options {
	return &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true}
}

func newWorker(ctx context.Context, req wire.ServeRequest, root string) (*recordingWorker, error) {
	sf := wrunc.SnapshotterFactory{Name: snapshotter(req.Copies), New: func(dir string) (ctdsnapshot.Snapshotter, error) {
		return openSnapshotter(ctx, dir, req.Copies)
	}}
	opt, err := wrunc.NewWorkerOpt(root, sf, false, oci.ProcessSandbox, nil, nil, netproviders.Opt{Mode: "host"}, nil,
		req.Runc, "", false, nil, "", req.Cgroup, nil)
	if err != nil {
		return nil, fmt.Errorf("open worker's state: %w", err)
	}
	if opt.NetworkProviders[pb.NetMode_UNSET], err = newPrivateNetwork(req, root); err != nil { // the executor has the same map
		return nil, err
	}
	if err := offerGit(filepath.Join(req.Store, "scratch", "bin"), filepath.Join(root, "resolv.conf")); err != nil {
		return nil, err
	}
	for mode, provider := range opt.NetworkProviders {
		opt.NetworkProviders[mode] = fitted{provider, req}
	}
	opt.Executor = emulating{opt.Executor}
	opt.Platforms = platformsOf(opt.Platforms, req.Emulated)
	opt.RegistryHosts = resolver.NewRegistryConfig(nil)
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("open worker: %w", err)
	}
	return &recordingWorker{Worker: w, store: req.Store, snapshotter: snapshotter(req.Copies)}, nil
}

// sweepExecutor removes the bundles that a killed builder left.
func sweepExecutor(dir string) error {
	es, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read executor folder: %w", err)
	}
	for _, e := range es {
		if e.IsDir() {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove bundle of a killed build: %w", err)
			}
		}
	}
	return nil
}

// Silence drops the log lines of libraries that are nothing to the caller of a verb.
func Silence() {
	log.L.Logger.SetOutput(io.Discard)
	bklog.L.Logger.SetOutput(io.Discard)
}
