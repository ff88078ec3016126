package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/util/entitlements"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// baseStore names the OCI layout of caisson's own bases in a build.
const baseStore = "bases"

// Build does one build over a connection to the builder. It shows itself on standard error as the request says.
func Build(ctx context.Context, req wire.BuildRequest, conn *os.File, events func(engine.Event)) error {
	var lost atomic.Bool
	c, err := connect(ctx, conn, &lost)
	if err != nil {
		return err
	}
	defer c.Close()
	opt, err := solveOptions(req)
	if err != nil {
		return err
	}
	w := &watcher{events: events, file: req.Dockerfile}
	from, to := make(chan *client.SolveStatus), make(chan *client.SolveStatus)
	eg, gctx := errgroup.WithContext(ctx)
	var solved error
	eg.Go(func() error { // Solve closes from
		_, solved = c.Solve(gctx, nil, opt, from)
		return nil
	})
	eg.Go(func() error { // watch closes to
		w.watch(from, to)
		return nil
	})
	eg.Go(func() error { return display(context.WithoutCancel(ctx), req.Progress, to) })
	if err := eg.Wait(); err != nil {
		return fmt.Errorf("show progress of the build: %w", err)
	}
	switch {
	case solved != nil && lost.Load() && ctx.Err() == nil:
		return errBuilderDied
	case solved != nil:
		return w.explain(solved)
	}
	return nil
}

var errBuilderDied = errors.New("the builder died in the middle of the build (was it killed, or out of memory?); run the same command again")

// connect speaks gRPC over the one connection that this process was given. lost is set when the other end is gone.
func connect(ctx context.Context, f *os.File, lost *atomic.Bool) (*client.Client, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("take over the connection to the builder: %w", err)
	}
	f.Close()
	once := make(chan net.Conn, 1)
	once <- watchedConn{conn, lost}
	c, err := client.New(ctx, "passthrough:///builder", client.WithContextDialer(func(context.Context, string) (net.Conn, error) {
		select {
		case c := <-once:
			return c, nil
		default:
			return nil, errors.New("the builder is gone")
		}
	}))
	if err != nil {
		return nil, fmt.Errorf("speak to the builder: %w", err)
	}
	return c, nil
}

// watchedConn remembers that its other end is gone.
type watchedConn struct {
	net.Conn
	lost *atomic.Bool
}

func (w watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if err != nil {
		w.lost.Store(true)
	}
	return n, err
}

func solveOptions(req wire.BuildRequest) (client.SolveOpt, error) {
	var none client.SolveOpt
	contextFS, err := fsutil.NewFS(req.Context)
	if err != nil {
		return none, fmt.Errorf("open build context: %w", err)
	}
	dockerfileFS, err := fsutil.NewFS(filepath.Dir(req.Dockerfile))
	if err != nil {
		return none, fmt.Errorf("open folder of the Dockerfile: %w", err)
	}
	opt := client.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: map[string]string{"filename": filepath.Base(req.Dockerfile)},
		LocalMounts:   map[string]fsutil.FS{"context": contextFS, "dockerfile": dockerfileFS},
		SharedKey:     req.Context, // callers with the same context send only what has changed
		Exports:       []client.ExportEntry{{Type: exporterName, Attrs: map[string]string{attrKey: req.Key, attrName: req.Name}}},
		Internal:      true, // no history record
		Session: []session.Attachable{authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(os.Stderr)),
		})},
	}
	secrets := map[string][]byte{}
	for _, s := range req.Secrets {
		secrets[s.ID] = s.Value
	}
	opt.Session = append(opt.Session, secretsprovider.FromMap(secrets))
	agents, err := forwardAgents(req.SSH)
	if err != nil {
		return none, err
	}
	opt.Session = append(opt.Session, agents...)
	if req.Target != "" {
		opt.FrontendAttrs["target"] = req.Target
	}
	if req.NoCache {
		opt.FrontendAttrs["no-cache"] = ""
	}
	for name, value := range req.Args {
		opt.FrontendAttrs["build-arg:"+name] = value
	}
	if req.Emulation != "" {
		opt.FrontendAttrs["cgroup-parent"] = req.Emulation
	}
	chooseNetwork(&opt, req)
	return opt, pinBases(&opt, req)
}

// forwardAgents lets RUN --mount=type=ssh use the caller's agents.
func forwardAgents(agents []engine.SSHAgent) ([]session.Attachable, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	var configs []sshprovider.AgentConfig
	for _, a := range agents {
		configs = append(configs, sshprovider.AgentConfig{ID: a.ID, Paths: []string{a.Socket}})
	}
	p, err := sshprovider.NewSSHAgentProvider(configs)
	if err != nil {
		return nil, fmt.Errorf("forward SSH agent: %w", err)
	}
	return []session.Attachable{p}, nil
}

// chooseNetwork tells the steps' network and its proxies. Proxies are no part of a step's cache key: BuildKit knows their names.
func chooseNetwork(opt *client.SolveOpt, req wire.BuildRequest) {
	for _, kv := range req.Proxies {
		if name, value, ok := strings.Cut(kv, "="); ok {
			opt.FrontendAttrs["build-arg:"+name] = value
		}
	}
	switch req.Network {
	case engine.NetworkHost:
		opt.FrontendAttrs["force-network-mode"] = "host"
		opt.AllowedEntitlements = []string{string(entitlements.EntitlementNetworkHost)}
	case engine.NetworkNone:
		opt.FrontendAttrs["force-network-mode"] = "none"
	}
}

// pinBases makes every FROM mean the digest that the content key was made with.
func pinBases(opt *client.SolveOpt, req wire.BuildRequest) error {
	for ref, digest := range req.Bases {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			return fmt.Errorf("base %q: %w", ref, err)
		}
		key := "context:" + strings.TrimSuffix(reference.FamiliarString(named), ":latest")
		if own, ok := req.OwnBases[ref]; ok {
			opt.FrontendAttrs[key] = "oci-layout://" + baseStore + "@" + own
			continue
		}
		if _, ok := named.(reference.Digested); !ok {
			opt.FrontendAttrs[key] = "docker-image://" + reference.TagNameOnly(named).String() + "@" + digest
		}
	}
	if len(req.OwnBases) > 0 {
		store, err := local.NewStore(req.BaseDir)
		if err != nil {
			return fmt.Errorf("open bases: %w", err)
		}
		opt.OCIStores = map[string]content.Store{baseStore: store}
	}
	return nil
}
