package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"caisson/internal/engine"
	"caisson/internal/engine/embedded/wire"
	"caisson/internal/network"

	"golang.org/x/sys/unix"
)

// netns is the client's end of a run's private network: the sandbox sends the link of its network namespace over a
// socket, and the stack, in the second program, is started once somebody wants it.
type netns struct {
	store     Store
	socket    *os.File // from the sandbox: the link, or why there is none
	peer      *os.File // the sandbox's end
	listeners []*os.File
	config    network.Config
	note      func(string)

	stop context.CancelFunc
	done sync.WaitGroup
}

// newNetns listens on the ports to publish: one that is in use is found before anything is started.
func (s Store) newNetns(spec engine.RunSpec, allowed []network.Allowed, note func(string)) (n *netns, err error) {
	n = &netns{store: s, note: note, config: network.Config{Allowed: allowed}, stop: func() {}}
	defer func() {
		if err != nil {
			n.close()
		}
	}()
	for _, pub := range spec.Publish {
		p := network.Publish(pub)
		l, err := p.Listen()
		if err != nil {
			return nil, err
		}
		n.listeners = append(n.listeners, l)
		n.config.Published = append(n.config.Published, p.Container)
		if pub.Host == 0 {
			note("published " + p.String())
		}
	}
	resolv, _ := os.ReadFile(resolvConf) // none is a valid configuration: the local name server
	n.config.Resolvers = network.Resolvers(resolv)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket to the sandbox: %w", err)
	}
	n.socket, n.peer = os.NewFile(uintptr(pair[0]), "network"), os.NewFile(uintptr(pair[1]), "network")
	return n, nil
}

// serve waits, besides the run, for its first packet or connection, and has the stack started then.
func (n *netns) serve() {
	if n == nil {
		return
	}
	n.peer.Close()
	n.peer = nil
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.done.Go(func() {
		if err := n.run(ctx); err != nil && ctx.Err() == nil {
			n.note(err.Error())
		}
	})
}

func (n *netns) run(ctx context.Context) error {
	link, err := receiveLink(ctx, n.socket)
	if err != nil || link == nil {
		return err
	}
	defer link.Close()
	if err := network.Wait(ctx, append([]*os.File{link}, n.listeners...)...); err != nil {
		return err
	}
	if err := n.store.call(ctx, wire.Network, n.config, nil, link, nil, n.listeners...); err != nil {
		return fmt.Errorf("the private network ended: %w", err)
	}
	return nil
}

// close ends the stack and waits for it.
func (n *netns) close() {
	if n == nil {
		return
	}
	n.stop()
	n.done.Wait()
	for _, f := range append(n.listeners, n.socket, n.peer) {
		if f != nil {
			f.Close()
		}
	}
}

// allowProxies makes the proxies on this machine's loopback reachable for the steps of the running builder, and returns the
// variables as the steps see them. The file is the builder's for its life.
func (s Store) allowProxies(req engine.BuildRequest) ([]string, error) {
	if req.Network == engine.NetworkHost {
		return req.Proxies, nil
	}
	env, allowed := network.ProxyEnv(req.Proxies)
	if len(allowed) == 0 {
		return env, nil
	}
	line, err := json.Marshal(allowed)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.path(wire.ProxiesFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, storeError(string(s), err)
	}
	defer f.Close()
	if _, err := f.Write(append(line, '\n')); err != nil {
		return nil, storeError(string(s), err)
	}
	return env, nil
}

const resolvConf = "/etc/resolv.conf"

// networkFiles are what a container's programs read about the network: the host's own with the host's network, with a
// private one the stack's name server and nothing of the host's names.
func networkFiles(spec engine.RunSpec) []file {
	resolv, _ := os.ReadFile(resolvConf)
	hosts := []byte("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	switch spec.Network {
	case engine.NetworkHost:
		if own, err := os.ReadFile("/etc/hosts"); err == nil && len(own) > 0 {
			hosts = own
		}
	case engine.NetworkNone:
		resolv = nil
	default:
		resolv = []byte(network.ResolvConf(resolv))
		hosts = append(hosts, network.Gateway+"\t"+network.HostAlias+"\n"...)
	}
	return []file{
		{Name: "resolv.conf", Content: resolv},
		{Name: "hosts", Content: []byte(strings.TrimRight(string(hosts), "\n") + "\n127.0.1.1\t" + spec.Hostname + "\n")},
		{Name: "hostname", Content: []byte(spec.Hostname + "\n")},
	}
}

// linkMessage accompanies a link, or says why there is none.
type linkMessage struct{ Error string }

// sendLink makes the network of this namespace, inside the sandbox, and sends its link.
func sendLink(socket *os.File) error {
	link, err := network.Up()
	if err != nil {
		b, _ := json.Marshal(linkMessage{Error: err.Error()}) // a string
		if err := unix.Sendmsg(int(socket.Fd()), b, nil, nil, 0); err != nil {
			return err
		}
		return network.Loopback()
	}
	defer link.Close()
	b, _ := json.Marshal(linkMessage{})
	return unix.Sendmsg(int(socket.Fd()), b, unix.UnixRights(int(link.Fd())), nil, 0)
}

// receiveLink waits for the sandbox's message. No link and no error is a sandbox that ended before it had a network.
func receiveLink(ctx context.Context, socket *os.File) (*os.File, error) {
	c, err := net.FileConn(socket)
	if err != nil {
		return nil, fmt.Errorf("take over the sandbox's socket: %w", err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	b, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	k, ok, _, _, err := c.(*net.UnixConn).ReadMsgUnix(b, oob)
	if err != nil || k == 0 {
		return nil, ctx.Err()
	}
	var m linkMessage
	if err := json.Unmarshal(b[:k], &m); err != nil {
		return nil, fmt.Errorf("read the sandbox's message: %w", err)
	}
	if m.Error != "" {
		return nil, errors.New(m.Error + "; the run has its own loopback only")
	}
	messages, err := unix.ParseSocketControlMessage(oob[:ok])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("the sandbox sent no link to its network")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.New("the sandbox sent no link to its network")
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "link"), nil
}
