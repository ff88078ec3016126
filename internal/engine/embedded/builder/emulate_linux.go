package builder

import (
	"context"
	"slices"

	"caisson/internal/engine/embedded/wire"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/executor"
	resources "github.com/moby/buildkit/executor/resources/types"
	bknetwork "github.com/moby/buildkit/util/network"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// emulating gives the steps of foreign builds their emulators. BuildKit tells an executor nothing of a step's platform, so a
// caller names its emulation as the cgroup parent of its steps (wire.Emulation), which is a part of a step's cache key:
// another emulator, or another processor, makes another step.
type emulating struct{ executor.Executor }

func (e emulating) Run(ctx context.Context, id string, root executor.Mount, mounts []executor.Mount, p executor.ProcessInfo, started chan<- struct{}) (resources.Recorder, error) {
	if cpu, ok := wire.ParseEmulation(p.Meta.CgroupParent); ok {
		p.Meta.CgroupParent = ""
		if cpu != "" {
			p.Meta.Env = append(slices.Clip(p.Meta.Env), "QEMU_CPU="+cpu)
		}
		ctx = context.WithValue(ctx, foreignStep{}, true)
	}
	return e.Executor.Run(ctx, id, root, mounts, p, started)
}

// foreignStep is the context key that tells the network provider, which has the last word on a step's specification.
type foreignStep struct{}

func isForeign(ctx context.Context) bool { return ctx.Value(foreignStep{}) != nil }

// fitted makes the steps of a network fit the user namespace that they run in: the builder's own where that is an
// ordinary user's, or the one that has the emulators.
type fitted struct {
	bknetwork.Provider
	req wire.ServeRequest
}

func (f fitted) New(ctx context.Context, hostname string, o bknetwork.NamespaceOptions) (bknetwork.Namespace, error) {
	ns, err := f.Provider.New(ctx, hostname, o)
	if err != nil {
		return nil, err
	}
	s := fittedStep{Namespace: ns, rootless: f.req.Rootless}
	if isForeign(ctx) {
		s.userns, s.init = f.req.Userns, f.req.Init
	}
	return s, nil
}

type fittedStep struct {
	bknetwork.Namespace
	rootless bool
	userns   string // to join, "" is none
	init     string // program of PID 1, "" is the step's own
}

func (s fittedStep) Set(spec *specs.Spec) error {
	if err := s.Namespace.Set(spec); err != nil {
		return err
	}
	if s.userns != "" {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: s.userns})
	}
	if s.init != "" {
		const at = "/dev/caisson-init" // /dev is a file system of the step's own: nothing of this stays in its layer
		spec.Mounts = append(spec.Mounts, specs.Mount{Destination: at, Type: "bind", Source: s.init, Options: []string{"bind", "ro"}})
		spec.Process.Args = append([]string{at, "step"}, spec.Process.Args...)
	}
	if s.rootless { // which has no cgroups
		spec.Linux.Resources, spec.Linux.CgroupsPath = nil, ""
	}
	if s.rootless || s.userns != "" {
		bindSys(spec)
	}
	return nil
}

// bindSys gives a step the machine's /sys without its cgroups, since nobody can mount one in a user namespace beside its
// network's.
func bindSys(spec *specs.Spec) {
	spec.Mounts = slices.DeleteFunc(spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	for i, m := range spec.Mounts {
		if m.Type == "sysfs" {
			spec.Mounts[i].Type, spec.Mounts[i].Source = "bind", "/sys"
			spec.Mounts[i].Options = []string{"rbind", "nosuid", "noexec", "nodev", "ro", "rro"}
		}
	}
	spec.Mounts = append(spec.Mounts, specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "noexec", "nodev", "ro", "mode=755", "size=0"},
	})
}

// platformsOf are the machine's own platform and those that it has emulators for.
func platformsOf(own []ocispecs.Platform, archs []string) []ocispecs.Platform {
	for _, a := range archs {
		own = append(own, platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: a}))
	}
	return own
}
