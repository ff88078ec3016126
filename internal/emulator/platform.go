package emulator

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// Platform is what an image is for, in the words of OCI.
type Platform struct{ OS, Architecture, Variant string }

// String is the platform as FROM --platform names it: "linux/arm/v7".
func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Host is the platform of this program.
func Host() Platform {
	p, err := Parse(runtime.GOARCH)
	if err != nil {
		return Platform{OS: "linux", Architecture: runtime.GOARCH}
	}
	return p
}

// Native says whether this machine runs the platform's programs itself. On arm64 that is true of arm where the processor
// has the 32-bit instructions. A variant is not looked at.
func (p Platform) Native() bool {
	if p.OS != "linux" {
		return false
	}
	switch runtime.GOARCH {
	case p.Architecture:
		return true
	case "amd64":
		return p.Architecture == "386"
	case "arm64":
		return p.Architecture == "arm" && has32Bit()
	}
	return false
}

// Native says the same of a platform's or architecture's name. It is false of a name that Parse does not know.
func Native(name string) bool {
	p, err := Parse(name)
	return err == nil && p.Native()
}

// aliases are the names of Debian, uname and others. Variants of the first architectures that say nothing, as their
// programs are all alike, are among them. The rules are those of containerd's package platforms, but armel is v5 (as
// Debian builds it).
var aliases = map[string]string{
	"x86_64": "amd64", "x86-64": "amd64", "amd64/v1": "amd64",
	"i386": "386", "i486": "386", "i586": "386", "i686": "386", "x86": "386",
	"aarch64": "arm64", "arm64/v8": "arm64", "arm64/8": "arm64",
	"arm": "arm/v7", "armhf": "arm/v7", "armv7": "arm/v7", "armv7l": "arm/v7", "arm/7": "arm/v7",
	"armv6": "arm/v6", "armv6l": "arm/v6", "arm/6": "arm/v6",
	"armel": "arm/v5", "armv5": "arm/v5", "armv5tel": "arm/v5", "arm/5": "arm/v5",
	"ppc64el": "ppc64le", "powerpc64le": "ppc64le",
	"mips64el": "mips64le", "mipsel": "mipsle", "loongarch64": "loong64",
}

// Parse reads a platform's name: OCI's ("linux/arm/v7", "arm/v7", "arm64"), Debian's ("armhf") or uname's ("x86_64").
// Without a system it is Linux. An architecture that neither runs here nor has an emulator is an error that names
// those there are.
func Parse(name string) (Platform, error) {
	p := Platform{OS: "linux"}
	rest := strings.ToLower(name)
	if system, arch, found := strings.Cut(rest, "/"); found && slices.Contains([]string{"linux", "windows", "darwin", "freebsd"}, system) {
		p.OS, rest = system, arch
	}
	if full, ok := aliases[rest]; ok {
		rest = full
	}
	p.Architecture, p.Variant, _ = strings.Cut(rest, "/")
	if strings.Contains(p.Variant, "/") {
		return Platform{}, fmt.Errorf("read platform %q: it has more than a system, an architecture and a variant", name)
	}
	if _, err := formatOf(p.Architecture); err != nil {
		return Platform{}, fmt.Errorf("read platform %q: %w", name, err)
	}
	return p, nil
}
