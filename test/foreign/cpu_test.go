package foreign

import (
	"strings"
	"testing"

	"caisson/test/harness"
)

// asks makes a program say what it sees of its processor: the C library's loader prints the auxiliary vector.
const asks = "LD_SHOW_AUXV=1 /bin/true | grep -e AT_PLATFORM -e AT_HWCAP: | tr -s ' '"

func TestTheChosenProcessorIsSeenInRunsAndStepsAndChangesTheImage(t *testing.T) {
	tr := newTree(t, "cpu", map[string]string{"ci/docker/Dockerfile.build.armv7": "FROM %s\nRUN " + asks + " >/seen\n"})
	choose := func(cpu string) {
		tr.Write(t, map[string]string{"caisson.yaml": "platforms: {armv7: {cpu: " + cpu + "}}\n"})
	}
	see := func() harness.Result { return tr.Must(t, "-p", "armv7", "sh", "-c", "cat /seen; "+asks) }
	halves := func(out string) string {
		t.Helper()
		half := out[:len(out)/2]
		if out != half+half {
			t.Errorf("a step and a run do not see the same processor:\n%s", out)
		}
		return half
	}

	contains(t, halves(see().Stdout), "v8l", " idiva")

	choose("cortex-a7")
	a7 := see()
	contains(t, a7.Stderr, `building the image: cpu of the emulator changed (was "", is cortex-a7)`)
	contains(t, halves(a7.Stdout), "v7l", " idiva")

	choose("cortex-a9")
	a9 := see()
	contains(t, a9.Stderr, "cpu of the emulator changed (was cortex-a7, is cortex-a9)")
	if seen := halves(a9.Stdout); !strings.Contains(seen, "v7l") || strings.Contains(seen, "idiva") {
		t.Errorf("a cortex-a9, which does not divide, is\n%s", seen)
	}

	choose("cortex-a7")
	if again := see(); strings.Contains(again.Stderr, "building the image") || again.Stdout != a7.Stdout {
		t.Errorf("the image of the first choice was not kept:\n%s%s", again.Stderr, again.Stdout)
	}
}

func TestAProcessorThatIsNoneOrTooOldIsTheEmulatorsError(t *testing.T) {
	tr := newTree(t, "badcpu", nil)
	tr.Must(t, "-p", "armv7", "-b")
	for cpu, want := range map[string]struct {
		code int
		says string
	}{
		"nonsense": {1, "unable to find CPU model 'nonsense'"},
		"arm926":   {128 + 4, ""}, // Debian's armhf is for v7: an illegal instruction
	} {
		tr.Write(t, map[string]string{"caisson.yaml": "defaults: {cpu: " + cpu + "}\n"})
		r := tr.Command("-p", "armv7", "-R", "true").Run(t)
		if r.Code != want.code || !strings.Contains(r.Stderr, want.says) {
			t.Errorf("%s: status %d, want %d and %q:\n%s", cpu, r.Code, want.code, want.says, r.Stderr)
		}
	}
}
