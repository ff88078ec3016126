package input

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// failing is a Dockerfile whose second step prints lines 1 to 40 and fails.
const failing = "FROM tiny\nRUN true\n" +
	"RUN i=1; while [ $i -le 40 ]; do echo line $i of the step; i=$((i+1)); done; exit 3\n"

func TestAnImageThatCannotBeBuiltSaysWhereAndWhy(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.word":    "FROM tiny\n\nRNU make\n",
		"ci/docker/Dockerfile.build.words":   "FROM tiny\nCOPY one\n",
		"ci/docker/Dockerfile.build.empty":   "# nothing yet\n",
		"ci/docker/Dockerfile.build.missing": "FROM tiny\nCOPY install/tools.sh /work/\n",
		"ci/docker/Dockerfile.build.stage":   "FROM tiny\nCOPY --from=nowhere.invalid/tools:1 /a /b\n",
	})
	for _, c := range []struct {
		platform string
		words    []string
	}{
		{"word", []string{"the Dockerfile cannot be read", "ci/docker/Dockerfile.build.word:3: ", "RNU"}},
		{"words", []string{"the Dockerfile cannot be read", "ci/docker/Dockerfile.build.words:2: ", "COPY"}},
		{"empty", []string{"the Dockerfile cannot be read", "ci/docker/Dockerfile.build.empty:1: "}},
		{"missing", []string{"ci/docker/Dockerfile.build.missing:2", "install/tools.sh", "not found"}},
		{"stage", []string{"nowhere.invalid/tools:1", "caisson base add nowhere.invalid/tools:1 SOURCE"}},
	} {
		t.Run(c.platform, func(t *testing.T) { tr.refused(t, []string{"-p", c.platform, "true"}, c.words...) })
	}
}

func TestAFailingStepIsShownWithItsLastLines(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.fails": failing})
	all := tr.refused(t, []string{"-p", "fails", "true"})
	_, end, found := strings.Cut(all, "caisson: image build failed: ")
	if !found {
		t.Fatalf("it does not say that the image build failed:\n%s", all)
	}
	says(t, end, "RUN i=1", "(ci/docker/Dockerfile.build.fails:3)\n", "  line 39 of the step\n  line 40 of the step\n  exit code: 3\n")
	if strings.Contains(end, "line 1 of") {
		t.Errorf("the error repeats all that the step printed:\n%s", end)
	}
	t.Run("where nothing else is shown", func(t *testing.T) {
		r := tr.Command("-p", "fails", "--output", "json", "true").Run(t)
		if r.Code != 125 {
			t.Errorf("status %d, want 125", r.Code)
		}
		says(t, r.Stderr, `"kind":"error"`, `line 40 of the step\n`, "Dockerfile.build.fails:3")
	})
}

func TestABaseThatNobodyHasNamesBaseAdd(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.away": "FROM nowhere.invalid/team/tools:1.2\n",
		"ci/docker/Dockerfile.build.hub":  "FROM alpine:3.20\n",
	})
	t.Run("its registry does not exist", func(t *testing.T) {
		tr.refused(t, []string{"-p", "away", "true"}, "cannot resolve FROM nowhere.invalid/team/tools:1.2: ",
			"caisson base add nowhere.invalid/team/tools:1.2 SOURCE", "docker save", "debian:SUITE")
	})
	t.Run("there is no network", func(t *testing.T) {
		cmd := tr.Command("-p", "hub", "true").Cmd(t.Context(), t)
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != 125 {
			t.Errorf("it ended with %v, want status 125", err)
		}
		says(t, string(out), "cannot resolve FROM alpine:3.20: ", "caisson base add alpine:3.20 SOURCE")
	})
}

var tries = regexp.MustCompile(`try (\d) of 3 failed \(exit code: 3\), next in (\ds)`)

func TestAFailingBuildIsTriedAgainAfterGrowingWaits(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.fails": failing})
	start := time.Now()
	said := tr.refused(t, []string{"-p", "fails", "-r", "3", "-b"}, "Dockerfile.build.fails:3", "gave up after 3 tries")
	took := time.Since(start)
	var waits []string
	for _, m := range tries.FindAllStringSubmatch(said, -1) {
		waits = append(waits, m[1]+" "+m[2])
	}
	if got, want := strings.Join(waits, ", "), "1 1s, 2 2s"; got != want {
		t.Errorf("it waited %q, want %q:\n%s", got, want, said)
	}
	if took < 3*time.Second {
		t.Errorf("it took %s, less than its waits", took)
	}

	t.Run("but not when the Dockerfile cannot be read", func(t *testing.T) {
		tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.fails": "FROM tiny\nRNU make\n"})
		if said := tr.refused(t, []string{"-p", "fails", "-r", "3", "-b"}); strings.Contains(said, "try ") {
			t.Errorf("it tried again:\n%s", said)
		}
	})
}

func TestRunOnlyTakesTheImageAsItIs(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo first > /made\n"})
	name := filepath.Join(tr.Root, "ci/docker/Dockerfile.build.tiny")
	tr.Store = harness.ColdStore(t)
	tr.refused(t, []string{"-p", "tiny", "-R", "true"}, "there is no image democi/build.tiny", "-R builds none", "caisson -p tiny -b")
	tr.Must(t, "-p", "tiny", "-b")
	if err := os.WriteFile(name, []byte("FROM tiny\nRUN echo second > /made\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := tr.Must(t, "-p", "tiny", "-R", "cat", "/made").Stdout; got != "first\n" {
		t.Errorf("-R ran on an image with %q", got)
	}
	if got := tr.Must(t, "-p", "tiny", "cat", "/made").Stdout; got != "second\n" {
		t.Errorf("without -R the image has %q", got)
	}
}
