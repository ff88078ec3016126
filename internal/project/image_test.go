package project

import (
	"strings"
	"testing"

	"github.com/distribution/reference"
)

func TestImageName(t *testing.T) {
	given := func(registry string) *string { return &registry }
	for _, test := range []struct {
		name, project string
		registry      *string
		platform      string
		want          string
	}{
		{"the registry is the project's by default", "mxnet", nil, "armv7", "mxnetci/build.armv7"},
		{"no registry is a local name", "mxnet", given(""), "armv7", "mxnet_local/build.armv7"},
		{"a given registry is taken as it is", "mxnet", given("reg.example.org:5000/ci_1"), "test.arm_qemu",
			"reg.example.org:5000/ci_1/build.test.arm_qemu"},
		{"a registry on this machine", "p", given("localhost:5000"), "x", "localhost:5000/build.x"},
		{"a registry by its address", "p", given("[::1]:5000/"), "x", "[::1]:5000/build.x"},
		{"a scheme and slashes are dropped", "p", given("https://Example.ORG//a/"), "x", "example.org/a/build.x"},
		{"a registry of blanks is none", "p", given(" "), "x", "p_local/build.x"},
		{"a registry that is no host is made a name", "p", given("My Reg"), "x", "my-reg/build.x"},
		{"capitals and blanks", "My Net", nil, "Ubuntu CPU", "my-netci/build.ubuntu-cpu"},
		{"a dot would make the project a host", "net-1.5", nil, "x", "net-1-5ci/build.x"},
		{"odd separators", "a._b--c__d___e", nil, "_x_.", "a-b--c__d-eci/build.x"},
		{"a newline", "a\nb", nil, "x", "a-bci/build.x"},
		{"umlauts", "größe", nil, "x", "gr-eci/build.x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := (&Project{Name: test.project}).ImageName(test.registry, test.platform)
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
			wantReference(t, got)
		})
	}
}

func TestImageNamesOfUnusableNamesDiffer(t *testing.T) {
	long := strings.Repeat("long", 60)
	seen := map[string]string{}
	for _, project := range []string{"日本", "中国", "...", "", long + "1", long + "2"} {
		name := (&Project{Name: project}).ImageName(nil, "x")
		wantReference(t, name)
		if other, ok := seen[name]; ok {
			t.Errorf("%q and %q are both %q", project, other, name)
		}
		seen[name] = project
	}
}

func FuzzImageNameIsAlwaysAReference(f *testing.F) {
	f.Add("mxnet", "reg:5000", "armv7")
	f.Add("", "", "")
	f.Add("a\x00\xff", "://", "K")
	f.Add(strings.Repeat("-a", 200), strings.Repeat("a/", 3), strings.Repeat("b.", 300))
	f.Fuzz(func(t *testing.T, project, registry, platform string) {
		registry = registry[:min(len(registry), 40)] // a reference has at most 255 characters; a registry is not cut
		p := &Project{Name: project}
		wantReference(t, p.ImageName(nil, platform))
		wantReference(t, p.ImageName(&registry, platform))
	})
}

func wantReference(t *testing.T, name string) {
	t.Helper()
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		t.Fatalf("%q: %v", name, err)
	}
	if !reference.IsNameOnly(named) {
		t.Errorf("%q has a tag or digest", name)
	}
}
