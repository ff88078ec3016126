package base

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// debianArch is an architecture that Debian or Ubuntu builds.
type debianArch struct {
	platform v1.Platform
	debian   string   // dpkg's name
	aliases  []string // uname's and other people's names
}

func linux(arch, variant string) v1.Platform {
	return v1.Platform{OS: "linux", Architecture: arch, Variant: variant}
}

// debianArchs is read only.
var debianArchs = []debianArch{
	{linux("amd64", ""), "amd64", []string{"x86_64"}},
	{linux("arm64", ""), "arm64", []string{"aarch64", "arm64/v8"}},
	{linux("arm", "v7"), "armhf", []string{"arm", "armv7", "armv7l"}},
	{linux("arm", "v5"), "armel", []string{"armv5"}},
	{linux("386", ""), "i386", []string{"x86", "i686"}},
	{linux("ppc64le", ""), "ppc64el", nil},
	{linux("riscv64", ""), "riscv64", nil},
	{linux("s390x", ""), "s390x", nil},
	{linux("loong64", ""), "loong64", []string{"loongarch64"}},
	{linux("mips64le", ""), "mips64el", nil},
	{linux("mipsle", ""), "mipsel", nil},
}

// findArch takes a platform's name, Debian's or uname's; "" is this machine's.
func findArch(name string) (debianArch, error) {
	name = strings.TrimPrefix(name, "linux/")
	if name == "" {
		name = runtime.GOARCH
	}
	var known []string
	for _, a := range debianArchs {
		arch := platformArch(a.platform)
		if name == arch || name == a.debian || slices.Contains(a.aliases, name) {
			return a, nil
		}
		if known = append(known, arch); a.debian != arch {
			known[len(known)-1] += " (" + a.debian + ")"
		}
	}
	return debianArch{}, fmt.Errorf("there is no architecture %q; there are %s", name, strings.Join(known, ", "))
}
