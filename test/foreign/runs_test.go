package foreign

import (
	"strings"
	"testing"

	"caisson/test/harness"
)

func TestAnEmulatedRunHasItsCommandsStatusAndName(t *testing.T) {
	tr := newTree(t, "status", nil)
	equal(t, tr.Must(t, "-p", "armv7", "uname", "-m").Stdout, "armv7l\n")
	for script, want := range map[string]int{"exit 7": 7, "kill -TERM $$": 128 + 15, "kill -SEGV $$": 128 + 11, "no-such-program": 127} {
		if r := tr.Command("-p", "armv7", "sh", "-c", script).Run(t); r.Code != want {
			t.Errorf("%s: status %d, want %d: %s", script, r.Code, want, r.Stderr)
		}
	}
	for command, want := range map[string]int{"no-such-program": 127, "/etc/passwd": 126} {
		if r := tr.Command("-p", "armv7", command).Run(t); r.Code != want {
			t.Errorf("%s: status %d, want %d: %s", command, r.Code, want, r.Stderr)
		}
	}
	equal(t, tr.Must(t, "-p", "armv7", "sh", "-c", "echo $0").Stdout, "sh\n")
	equal(t, tr.Must(t, "-p", "armv7", "bash", "-c", `exec -a 'a name' sh -c 'echo "$0"'`).Stdout, "a name\n")
	in := tr.Command("-p", "armv7", "tr", "a-z", "A-Z")
	in.Stdin = "through the emulator\n"
	equal(t, in.Must(t).Stdout, "THROUGH THE EMULATOR\n")
}

func TestAnEmulatedRunWritesItsCallersFiles(t *testing.T) {
	tr := newTree(t, "demo", nil).Owned(t)
	tr.Must(t, "-p", "armv7", "sh", "-c", "uname -m >/work/build/processor")
	equal(t, tr.Read(t, "build/processor"), "armv7l\n")
	equal(t, strings.TrimSpace(harness.Program(t, tr.Root, "stat", "-c", "%u:%g", "build/processor")), "54321:54322")
}

func TestASetuidProgramIsRootInAnEmulatedRun(t *testing.T) {
	tr := newTree(t, "setuid", map[string]string{
		"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN cp /usr/bin/id /usr/bin/root-id && chmod 4755 /usr/bin/root-id\n",
	}).Owned(t)
	equal(t, tr.Must(t, "-p", "armv7", "id", "-u").Stdout, "54321\n")
	equal(t, tr.Must(t, "-p", "armv7", "root-id", "-u").Stdout, "0\n")
}

func TestImagesOfBothProcessorsLieInOneStore(t *testing.T) {
	tr := newTree(t, "both", map[string]string{"ci/docker/Dockerfile.build.native": "FROM " + harness.Tiny + "\nRUN echo native >/said\n",
		"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN uname -m >/said\n"})
	equal(t, tr.Must(t, "-p", "native", "cat", "/said").Stdout, "native\n")
	equal(t, tr.Must(t, "-p", "armv7", "cat", "/said").Stdout, "armv7l\n")
}
