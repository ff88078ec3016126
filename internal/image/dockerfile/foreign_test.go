package dockerfile

import (
	"runtime"
	"strings"
	"testing"
)

func TestForeignArchitectures(t *testing.T) {
	for _, test := range []struct{ name, text, target, want string }{
		{"this machine's", "FROM debian\nRUN ls", "", ""},
		{"a platform", "FROM --platform=linux/s390x debian\nRUN ls", "", "s390x"},
		{"the target needs no RUN", "FROM --platform=linux/s390x debian", "", "s390x"},
		{"Debian's name", "FROM --platform=ppc64el debian", "", "ppc64le"},
		{"the build platform is this machine's", "FROM --platform=$BUILDPLATFORM debian\nRUN ls", "", ""},
		{"so is the target platform", "FROM --platform=$TARGETPLATFORM debian\nRUN ls", "", ""},
		{"parts of a platform", "FROM --platform=${TARGETOS}/${TARGETARCH} debian\nRUN ls", "", ""},
		{"a default argument", "ARG P=linux/riscv64\nFROM --platform=$P debian\nRUN ls", "", "riscv64"},
		{"a given argument", "ARG GIVEN=linux/riscv64\nFROM --platform=$GIVEN debian\nRUN ls", "", "loong64"},
		{"two, sorted", "FROM --platform=linux/s390x debian AS a\nRUN ls\nFROM --platform=linux/mipsle debian\nCOPY --from=a /a /\n", "", "mipsle s390x"},
		{"a stage that the target does not need", "FROM --platform=linux/s390x debian\nRUN ls\nFROM debian", "", ""},
		{"a stage that nothing runs in", "FROM --platform=linux/s390x debian AS a\nFROM debian\nCOPY --from=a /a /", "", ""},
		{"a chosen target", "FROM --platform=linux/s390x debian AS a\nFROM debian\nCOPY --from=a /a /", "a", "s390x"},
		{"a stage built from it", "FROM --platform=linux/s390x debian AS a\nFROM a\nRUN ls", "", "s390x"},
		{"the stage below decides", "FROM --platform=linux/s390x debian AS a\nFROM --platform=$BUILDPLATFORM a\nRUN ls", "", "s390x"},
		{"scratch has no platform", "FROM --platform=linux/s390x scratch\nCOPY a /", "", ""},
		{"a trigger may run", "FROM --platform=linux/s390x debian AS a\nONBUILD RUN ls\nFROM debian\nCOPY --from=a /a /", "", "s390x"},
		{"a base of the store", "FROM mine:s390x\nRUN ls", "", "s390x"},
		{"a base of the store with a platform", "FROM --platform=linux/s390x mine:s390x\nRUN ls", "", "s390x"},
		{"a base of the store for this machine too", "FROM mine:both\nRUN ls", "", ""},
		{"a platform beyond what runs, in a stage that nothing runs in", "FROM --platform=wasi/wasm x AS a\nFROM debian\nCOPY --from=a /a /", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := read(t, test.text).Architectures(test.target, map[string]string{"GIVEN": "linux/loong64"}, "linux/"+runtime.GOARCH, ofTheStore)
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("architectures %q, %v; want %q", got, err, test.want)
			}
		})
	}
	got, err := read(t, "FROM debian\nRUN ls").Architectures("", nil, "linux/s390x", nil)
	if err != nil || strings.Join(got, " ") != "s390x" {
		t.Errorf("built for s390x: architectures %q, %v", got, err)
	}
}

// ofTheStore is what bases of the store are for.
func ofTheStore(ref string) string {
	return map[string]string{"mine:s390x": "s390x", "mine:both": "s390x," + runtime.GOARCH}[ref]
}

func TestPlatformsThatNothingRuns(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"an unknown architecture", "FROM a AS a\nFROM --platform=linux/pdp11 debian", `line 2: FROM debian: read platform "linux/pdp11"`},
		{"another system", "FROM --platform=windows/amd64 x\nRUN dir", "windows/amd64 cannot run here"},
		{"no platform", "FROM --platform=$NONE debian", "line 1: FROM --platform=$NONE names no platform"},
		{"a base of the store for another one", "FROM --platform=linux/riscv64 mine:s390x\nRUN ls", "this base of the store is for s390x, not for linux/riscv64"},
		{"a form that only BuildKit knows", "ARG X=a.b\nFROM --platform=${X%.*} debian", "can be expanded here"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(t, test.text).Architectures("", nil, "linux/amd64", ofTheStore)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
