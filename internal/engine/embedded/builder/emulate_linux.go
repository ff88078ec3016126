package builder

import (
	"context"
	"slices"

	"caisson/internal/engine/embedded/wire"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/executor"
	resources "github.com/moby/buildkit/executor/resources/types"
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

// enterUserNamespace puts a step into the user namespace that has the emulators. Its /sys is then the machine's, since
// nobody can mount one in there.
func enterUserNamespace(spec *specs.Spec, ns string) {
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: ns})
	spec.Mounts = slices.DeleteFunc(spec.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })
	for i, m := range spec.Mounts {
		if m.Type == "sysfs" {
			spec.Mounts[i].Type, spec.Mounts[i].Source = "bind", "/sys"
			spec.Mounts[i].Options = []string{"rbind", "nosuid", "noexec", "nodev", "ro", "rro"}
		}
	}
}

// platformsOf are the machine's own platform and those that it has emulators for.
func platformsOf(own []ocispecs.Platform, archs []string) []ocispecs.Platform {
	for _, a := range archs {
		own = append(own, platforms.Normalize(ocispecs.Platform{OS: "linux", Architecture: a}))
	}
	return own
}
