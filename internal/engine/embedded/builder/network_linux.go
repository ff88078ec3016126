package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"caisson/internal/engine/embedded/wire"
	"caisson/internal/network"
	"caisson/internal/network/stack"

	resources "github.com/moby/buildkit/executor/resources/types"
	bknetwork "github.com/moby/buildkit/util/network"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// privateNetwork gives every RUN step a network namespace of its own. The stack of each runs in this process, from the
// step's first packet on.
type privateNetwork struct {
	store  string
	resolv string // path of the steps' resolv.conf
}

var _ bknetwork.Provider = (*privateNetwork)(nil)

// newPrivateNetwork writes the steps' resolv.conf into BuildKit's folder.
func newPrivateNetwork(req wire.ServeRequest, root string) (*privateNetwork, error) {
	p := &privateNetwork{store: req.Store, resolv: filepath.Join(root, "resolv.conf")}
	host, _ := os.ReadFile("/etc/resolv.conf") // none is a valid configuration: the local name server
	if err := os.WriteFile(p.resolv, []byte(network.ResolvConf(host)), 0o644); err != nil {
		return nil, fmt.Errorf("write resolv.conf of build steps: %w", err)
	}
	return p, nil
}

func (p *privateNetwork) Close() error { return nil }

// New makes the namespace of one step.
func (p *privateNetwork) New(ctx context.Context, _ string, _ bknetwork.NamespaceOptions) (bknetwork.Namespace, error) {
	ns, link, err := newNamespace()
	if err != nil {
		return nil, err
	}
	config := stackConfig(p.allowed())
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &stepNetwork{ns: ns, resolv: p.resolv, stop: stop}
	s.done.Go(func() {
		defer link.Close()
		if network.Wait(ctx, link) == nil {
			if err := stack.Serve(ctx, link, config, nil); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "network of a build step: %v\n", err)
			}
		}
	})
	return s, nil
}

// stackConfig is what the stack of a step, or of git, is told.
func stackConfig(allowed []network.Allowed) network.Config {
	host, _ := os.ReadFile("/etc/resolv.conf") // none is a valid configuration: the local name server
	return network.Config{Resolvers: network.Resolvers(host), Allowed: allowed}
}

// allowed are the proxies on this machine's loopback that the callers of this builder have.
func (p *privateNetwork) allowed() (all []network.Allowed) {
	b, _ := os.ReadFile(filepath.Join(p.store, wire.ProxiesFile)) // none: no caller has one
	for line := range bytes.Lines(b) {
		var a []network.Allowed
		if json.Unmarshal(line, &a) == nil {
			all = append(all, a...)
		}
	}
	return all
}

// stepNetwork is the network of one step.
type stepNetwork struct {
	ns     *os.File
	resolv string
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// Set puts the step into the namespace. It replaces the resolv.conf, which BuildKit writes for all networks alike.
func (s *stepNetwork) Set(spec *specs.Spec) error {
	for i, n := range spec.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			spec.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.ns.Fd())
		}
	}
	for i, m := range spec.Mounts {
		if m.Destination == "/etc/resolv.conf" {
			spec.Mounts[i].Source = s.resolv
		}
	}
	return nil
}

func (s *stepNetwork) Sample() (*resources.NetworkSample, error) { return nil, nil }

// Close ends the stack. The namespace goes with its last process.
func (s *stepNetwork) Close() error {
	s.stop()
	s.done.Wait()
	return s.ns.Close()
}

// newNamespace makes a network namespace on a thread of its own, which ends with it.
func newNamespace() (ns, link *os.File, err error) {
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread is thrown away
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("make network namespace of a build step: %w", err)
			return
		}
		if ns, err = os.Open("/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/ns/net"); err != nil {
			return
		}
		if link, err = network.Up(); err != nil {
			err = errors.Join(err, ns.Close())
		}
	})
	wg.Wait()
	return ns, link, err
}

// errLoopback: a Dockerfile may not have this machine fetch from its own services.
var errLoopback = errors.New("ADD from a loopback address of this machine is refused; fetch it in a RUN step, with --network host")

// keepFromLoopback looks at the addresses that names were resolved to. Proxies of the builder's own environment stay
// reachable.
func keepFromLoopback(t *http.Transport) {
	_, proxies := network.ProxyEnv(os.Environ())
	d := net.Dialer{Timeout: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err == nil && !a.Addr().Unmap().IsLoopback() && !a.Addr().Unmap().IsUnspecified() {
			return nil
		}
		for _, p := range proxies {
			if _, port, err := net.SplitHostPort(p.Host); err == nil && port == strconv.Itoa(int(a.Port())) {
				return nil
			}
		}
		return errLoopback
	}}
	t.DialContext = d.DialContext
}
