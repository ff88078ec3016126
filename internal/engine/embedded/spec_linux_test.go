package embedded

import (
	"errors"
	"slices"
	"testing"

	"caisson/internal/engine"

	"github.com/google/go-cmp/cmp"
)

func TestTheRulesOfEntrypointAndCmd(t *testing.T) {
	for _, c := range []struct {
		name                     string
		entrypoint, cmd, command []string
		shell                    bool
		want                     []string
	}{
		{"a command alone", nil, nil, []string{"make"}, false, []string{"make"}},
		{"a command replaces CMD", nil, []string{"bash"}, []string{"make", "-j4"}, false, []string{"make", "-j4"}},
		{"ENTRYPOINT stays before a command", []string{"/entry"}, []string{"bash"}, []string{"make"}, false, []string{"/entry", "make"}},
		{"ENTRYPOINT and CMD", []string{"/entry"}, []string{"bash"}, nil, true, []string{"/entry", "bash"}},
		{"CMD alone", nil, []string{"bash"}, nil, true, []string{"bash"}},
		{"a shell where there is neither", nil, nil, nil, true, []string{"/bin/sh"}},
	} {
		got, err := commandLine(engine.RunSpec{
			Image: engine.Image{Config: engine.ImageConfig{Entrypoint: c.entrypoint, Cmd: c.cmd}}, Command: c.command, NoCommandShell: c.shell,
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	_, err := commandLine(engine.RunSpec{})
	if _, ok := errors.AsType[*engine.StartError](err); !ok {
		t.Errorf("nothing to run: got %v, want a *engine.StartError", err)
	}
}

func TestTheLaterValueOfAVariableHolds(t *testing.T) {
	got := environment(engine.RunSpec{
		Hostname: "armv7", Image: engine.Image{Config: engine.ImageConfig{Env: []string{"PATH=/opt/bin", "A=1", "B=image"}}},
		Env: []string{"B=run", "C=x=y", "B=last"},
	}, nil)
	want := []string{"PATH=/opt/bin", "HOSTNAME=armv7", "A=1", "B=last", "C=x=y"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheSpecificationKeepsTheContainerIn(t *testing.T) {
	s, err := ociSpec(engine.RunSpec{ID: "x", ShmSize: 42, Mounts: []engine.Mount{{Source: "/a", Destination: "/b", ReadOnly: true}}}, containerPaths{rootfs: "/root", files: "/files", init: "/init", cgroup: cgroupName("x")})
	if err != nil {
		t.Fatal(err)
	}
	if s.Process.NoNewPrivileges {
		t.Error("no_new_privs is set: sudo cannot work")
	}
	if slices.Contains(s.Process.Capabilities.Bounding, "CAP_SYS_ADMIN") || !slices.Contains(s.Process.Capabilities.Bounding, "CAP_SYS_PTRACE") {
		t.Errorf("capabilities: %v", s.Process.Capabilities.Bounding)
	}
	if s.Linux.Seccomp == nil || s.Linux.Seccomp.DefaultAction != "SCMP_ACT_ERRNO" {
		t.Error("no seccomp profile that denies by default")
	}
	if d := s.Linux.Resources.Devices; len(d) != 1 || d[0].Allow || d[0].Access != "rwm" {
		t.Errorf("device rules: %+v, want one that denies all", d)
	}
	last := s.Mounts[len(s.Mounts)-1]
	if last.Destination != "/b" || !slices.Contains(last.Options, "ro") || !slices.Contains(last.Options, "rbind") {
		t.Errorf("the caller's mount: %+v", last)
	}
}
