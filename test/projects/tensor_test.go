package projects

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

// tensorFunctions is the functions file of the example, in a container.
const tensorFunctions = "/work/tensor/ci/docker/runtime_functions.sh"

// tensorTree is a copy of the example without what somebody may have built there.
func tensorTree(t *testing.T) tree {
	t.Helper()
	example := filepath.Join(harness.Root(), "examples", "tensor")
	entries, err := os.ReadDir(example)
	if err != nil {
		t.Fatal(err)
	}
	return newTree(t, "tensor", func(root string) {
		args := []string{"-a", "-t", root}
		for _, e := range entries {
			if e.Name() != "build" {
				args = append(args, filepath.Join(example, e.Name()))
			}
		}
		harness.Program(t, "", "cp", args...)
	})
}

func TestTheExampleIsBuiltOnAllItsPlatformsTestedAndWarmTheSecondTime(t *testing.T) {
	tr := tensorTree(t)
	list := tr.Must(t, "-l")
	if want := "armv7\nclang_asan\ndebian_cpu\n"; list.Stdout != want {
		t.Fatalf("its platforms are %q, want %q", list.Stdout, want)
	}
	for _, c := range []struct{ platform, processor, tests string }{
		{"debian_cpu", processor, "100% tests passed"},
		{"clang_asan", processor, "100% tests passed"},
		{"armv7", "ARM", "is a program for ARM with hardware floating point"},
	} {
		t.Run("on "+c.platform, func(t *testing.T) {
			if c.platform == "debian_cpu" {
				harness.LongOnly(t, false, "the other two platforms ask for more")
			}
			t.Logf("image after %.1f s", tr.Must(t, "-p", c.platform, "-b").Took.Seconds())
			r := tr.Must(t, "-p", c.platform)
			if !strings.Contains(r.Stderr, "caisson: "+c.platform+": done in ") {
				t.Errorf("its end was not said:\n%s", r.Stderr)
			}
			tr.fileSays(t, "build/libtensor.so", "shared object", c.processor)
			tr.fileSays(t, "build/tensor", "executable", c.processor)
			tests := tr.Must(t, "-p", c.platform, tensorFunctions, "unittest_"+c.platform)
			if !strings.Contains(tests.Stdout, c.tests) {
				t.Errorf("its tests did not say %q:\n%s", c.tests, tests.Stdout)
			}
			tr.allTheCallers(t)

			tr.removeBuild(t)
			secondIsWarm(t, r, tr.Must(t, "-p", c.platform))
		})
	}
	header := harness.Program(t, tr.Root, "readelf", "-h", "build/libtensor.so")
	for _, want := range []string{"ELF32", "ARM", "hard-float ABI"} {
		if !strings.Contains(header, want) {
			t.Errorf("the header of the library for armv7 has no %q:\n%s", want, header)
		}
	}
}
