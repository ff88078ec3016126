package emulator

import (
	"runtime"
	"strings"
	"testing"
)

func TestAPlatformHasManyNames(t *testing.T) {
	for name, want := range map[string]string{
		"linux/arm/v7": "linux/arm/v7", "linux/arm": "linux/arm/v7", "arm": "linux/arm/v7", "arm/v7": "linux/arm/v7",
		"armhf": "linux/arm/v7", "linux/armhf": "linux/arm/v7", "armv7l": "linux/arm/v7", "arm/v6": "linux/arm/v6",
		"armel": "linux/arm/v5", "arm/v5": "linux/arm/v5",
		"aarch64": "linux/arm64", "arm64": "linux/arm64", "linux/arm64/v8": "linux/arm64", "linux/arm64/v9": "linux/arm64/v9",
		"x86_64": "linux/amd64", "Linux/AMD64": "linux/amd64", "linux/amd64/v1": "linux/amd64", "linux/amd64/v3": "linux/amd64/v3",
		"i386": "linux/386", "i686": "linux/386", "386": "linux/386", "mipsel": "linux/mipsle", "mips64el": "linux/mips64le",
		"ppc64el": "linux/ppc64le", "riscv64": "linux/riscv64", "s390x": "linux/s390x", "loongarch64": "linux/loong64",
		"windows/amd64": "windows/amd64",
	} {
		p, err := Parse(name)
		if err != nil || p.String() != want {
			t.Errorf("Parse(%q) is %v, %v; want %s", name, p, err, want)
		}
	}
}

func TestAnUnknownPlatformIsNamedWithThoseThereAre(t *testing.T) {
	for _, name := range []string{"", "linux", "linux/", "sparc", "linux/arm/v7/x", "beos/amd64", "$TARGETPLATFORM"} {
		if p, err := Parse(name); err == nil {
			t.Errorf("Parse(%q) is %v", name, p)
		} else if !strings.Contains(err.Error(), name) {
			t.Errorf("Parse(%q) says %q", name, err)
		}
	}
	if _, err := Parse("linux/sparc"); !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("the error is %q", err)
	}
}

func TestThisMachineRunsItsOwnPrograms(t *testing.T) {
	if !Host().Native() || Host().Architecture != runtime.GOARCH || !Native("linux/"+runtime.GOARCH) {
		t.Errorf("this machine does not run %s", Host())
	}
	for _, name := range []string{"windows/" + runtime.GOARCH, "s390x", "loong64", "nonsense"} {
		if Native(name) {
			t.Errorf("this machine runs %s", name)
		}
	}
	if runtime.GOARCH == "amd64" && (!Native("i386") || Native("armhf") || Native("arm64")) {
		t.Error("amd64 runs 386, and neither arm nor arm64")
	}
}
