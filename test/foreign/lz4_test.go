package foreign

import (
	"os"
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

// compiler is the image with a C compiler and sudo. Its step takes 2 minutes, once for a store.
const compiler = "FROM " + harness.Armhf + "\n" +
	"RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends gcc make libc6-dev sudo >/dev/null\n" +
	"RUN echo 'ALL ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/all\n"

const cProgram = `#include <stdio.h>
int main(void) { printf("%zu\n", sizeof(void *)); }
`

func TestAProgramIsCompiledAndRunEmulatedAndSudoWorks(t *testing.T) {
	harness.LongOnly(t, true, "installing a compiler takes minutes under emulation")
	tr := newTree(t, "compiled", map[string]string{"hello.c": cProgram})
	tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.armv7": compiler})
	tr = tr.Owned(t)
	tr.Must(t, "-p", "armv7", "gcc", "-o", "/work/build/hello", "/work/demo/hello.c")
	equal(t, tr.Must(t, "-p", "armv7", "/work/build/hello").Stdout, "4\n")
	contains(t, harness.Program(t, tr.Root, "file", "-b", "build/hello"), "ARM", "EABI5")
	equal(t, tr.Must(t, "-p", "armv7", "sh", "-c", "id -u; sudo id -u").Stdout, "54321\n0\n")
}

// lz4Tests are those of its tests that end in a minute under emulation: of the library's blocks and frames, with fewer
// rounds. The others compress files of gigabytes by its program.
const lz4Tests = `#!/bin/sh
make -C /work/lz4/tests -j"$(nproc)" test-decompress-partial test-frametest test-fuzzer FUZZER_TIME=-i20 MOREFLAGS=-O1
`

func TestLz4PassesItsOwnTestsOnAForeignProcessor(t *testing.T) {
	harness.LongOnly(t, true, "installing a compiler takes minutes under emulation")
	harness.UserOnly(t, "it takes a minute, and root's runs are emulated in the same way")
	root := filepath.Join(harness.TempDir(t), "lz4")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	harness.Unpack(t, "lz4", root)
	harness.Write(t, root, map[string]string{
		".lz4_root": "", "ci/docker/Dockerfile.build.armv7": compiler,
		"ci/docker/runtime_functions.sh": "#!/bin/sh\n\"$@\"\n", "ci/docker/tests.sh": lz4Tests,
	})
	tr := harness.Tree{Root: root, Store: harness.ForeignStore(t)}.Owned(t)
	r := tr.Must(t, "-p", "armv7", "/work/lz4/ci/docker/tests.sh")
	t.Logf("its tests took %.1f s", r.Took.Seconds())
	contains(t, r.Stdout+r.Stderr, "All tests completed", "test decompress-partial-usingDict OK", "ratio with dict")
	contains(t, harness.Program(t, tr.Root, "file", "-b", "tests/fuzzer"), "ARM", "EABI5")
}
