package projects

import (
	"runtime"
	"testing"

	"caisson/test/harness"
)

// The platforms of the Debian sources. Both begin with the same step.
const (
	native = "FROM debian:bookworm\n" +
		"RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc libc6-dev make ccache >/dev/null\n"
	armv7 = native +
		"RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc-arm-linux-gnueabihf libc6-dev-armhf-cross >/dev/null\n"
)

// processor is what file(1) calls this machine's.
var processor = map[string]string{"amd64": "x86-64", "arm64": "aarch64"}[runtime.GOARCH]

// debianTree is a Debian source package as a project with the two platforms.
func debianTree(t *testing.T, pkg, name, functions string) tree {
	t.Helper()
	return newTree(t, name, func(root string) {
		harness.Unpack(t, pkg, root)
		harness.Write(t, root, map[string]string{
			"." + name + "_root":                "",
			"ci/docker/Dockerfile.build.native": native,
			"ci/docker/Dockerfile.build.armv7":  armv7,
			"ci/docker/runtime_functions.sh":    "#!/bin/sh\nset -e\ncd /work/" + name + "\n" + functions + "\"$@\"\n",
		})
	})
}

// The native build is the quick one: its compiler does not optimise.
const zstdFunctions = `
build() {
	make -C lib -j"$(nproc)" CC="$1" libzstd
	make -C lib CC="$1" DESTDIR=/work/build LIBDIR= install-shared
}
build_native() { export CFLAGS=-O0; build "ccache gcc"; }
build_armv7() { build "ccache arm-linux-gnueabihf-gcc"; }
clean() { make -C lib clean; }
`

func TestZstdIsBuiltByItsCallerAndTheSecondBuildIsWarm(t *testing.T) {
	harness.LongOnly(t, false, "the example and lz4 are built there, too")
	for _, c := range []struct {
		platform, processor string
		compiles            bool // so much that the time of the second build says something
	}{
		{"armv7", "ARM", true},
		{"native", processor, false},
	} {
		t.Run("for "+c.platform, func(t *testing.T) {
			tr := debianTree(t, "libzstd", "zstd", zstdFunctions)
			t.Logf("image after %.1f s", tr.Must(t, "-p", c.platform, "-b").Took.Seconds())
			cold := tr.Must(t, "-p", c.platform)
			tr.fileSays(t, "build/libzstd.so", "shared object", c.processor)
			tr.allTheCallers(t)

			tr.Must(t, "-p", c.platform, "/work/zstd/ci/docker/runtime_functions.sh", "clean")
			tr.removeBuild(t)
			warm := tr.Must(t, "-p", c.platform)
			tr.fileSays(t, "build/libzstd.so", "shared object", c.processor)
			tr.allTheCallers(t)
			secondIsWarm(t, cold, warm)
			if c.compiles && 3*warm.Took >= cold.Took {
				t.Errorf("the second build took %s, the first one %s: not less than a third", warm.Took, cold.Took)
			}
		})
	}
}

const lz4Functions = `
build() {
	make -C lib -j"$(nproc)" CC="$1"
	cp -P lib/liblz4.* /work/build/
}
build_native() { build "ccache gcc"; }
build_armv7() { build "ccache arm-linux-gnueabihf-gcc"; }
unittest_native() { make lz4 check CC="ccache gcc"; }
`

func TestLz4IsBuiltAndPassesItsOwnTests(t *testing.T) {
	tr := debianTree(t, "lz4", "lz4", lz4Functions)
	tr.Must(t, "-p", "native")
	tr.fileSays(t, "build/liblz4.so", "shared object", processor)
	tests := tr.Must(t, "-p", "native", "/work/lz4/ci/docker/runtime_functions.sh", "unittest_native")
	t.Logf("its tests took %.1f s", tests.Took.Seconds())
	tr.allTheCallers(t)
}

func TestLz4IsBuiltForAForeignProcessor(t *testing.T) {
	tr := debianTree(t, "lz4", "lz4", lz4Functions)
	tr.Must(t, "-p", "armv7")
	tr.fileSays(t, "build/liblz4.so", "shared object", "ARM", "EABI5")
	tr.allTheCallers(t)
}
