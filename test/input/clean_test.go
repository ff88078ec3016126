package input

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

// cleanTree is a tree with two platforms, in a store of its own.
func cleanTree(t *testing.T) tree {
	t.Helper()
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.one": "FROM tiny\nRUN echo one > /made\n",
		"ci/docker/Dockerfile.build.two": "FROM tiny\nRUN echo two > /made\n",
	})
	tr.Store = harness.ColdStore(t)
	return tr
}

func TestCleanLeavesImagesAndRecentRuns(t *testing.T) {
	tr := cleanTree(t)
	tr.Must(t, "-p", "one", "echo", "hello")
	says(t, tr.Must(t, "clean").Stderr, "caisson: removed 0 records of runs\n")
	if got := tr.Must(t, "logs").Stdout; got != "hello\n" {
		t.Errorf("the log of the last run is %q", got)
	}
	if said := tr.Must(t, "-p", "one", "true").Stderr; said != "" {
		t.Errorf("the image was built again:\n%s", said)
	}
}

func TestCleanRemovesWhatWasMovedAside(t *testing.T) {
	tr := cleanTree(t)
	tr.Must(t, "-p", "one", "true")
	records, err := filepath.Glob(filepath.Join(tr.Store, "records", "*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records of images: %q, %v", records, err)
	}
	if err := os.WriteFile(records[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr.Must(t, "-p", "one", "true")
	says(t, tr.Must(t, "clean").Stderr, "removed 1 damaged things")
	if left, _ := filepath.Glob(filepath.Join(tr.Store, "records", "*")); len(left) != 1 {
		t.Errorf("there are %q", left)
	}
}

func TestCleanImagesSparesWhatALiveRunStandsOn(t *testing.T) {
	tr := cleanTree(t)
	tr.Must(t, "-p", "two", "true")
	tr.Must(t, "-p", "one", "-b")
	live := tr.Command("-p", "one", "sh", "-c", "echo started; read go; cat /made /etc/passwd").Cmd(t.Context(), t)
	stdin, err := live.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := live.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	if line, err := out.ReadString('\n'); line != "started\n" {
		t.Fatalf("it began with %q, %v", line, err)
	}

	says(t, tr.Must(t, "clean", "--images").Stderr, "removed 1 images and ")
	if _, err := io.WriteString(stdin, "go\n"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil || !strings.HasPrefix(string(rest), "one\nroot:") {
		t.Errorf("the live run read %q, %v", rest, err)
	}
	if err := live.Wait(); err != nil {
		t.Errorf("the live run ended with %v", err)
	}
	if r := tr.Must(t, "-p", "one", "cat", "/made"); r.Stdout != "one\n" || r.Stderr != "" {
		t.Errorf("the image of the live run: %q\n%s", r.Stdout, r.Stderr)
	}
	r := tr.Must(t, "-p", "two", "cat", "/made")
	if r.Stdout != "two\n" {
		t.Errorf("the image that was built again has %q", r.Stdout)
	}
	says(t, r.Stderr, "caisson: two: building the image: image was removed from the store\n")
}

func TestCleanAllRemovesBasesAndRecordsToo(t *testing.T) {
	tr := cleanTree(t)
	tr.Must(t, "-p", "one", "true")
	tr.Must(t, "-p", "one", "true")
	says(t, tr.Must(t, "clean", "--all").Stderr, "removed 2 records of runs", "removed 1 images and ")
	if got := tr.Must(t, "base", "list").Stdout; strings.Count(got, "\n") != 1 {
		t.Errorf("there are bases left:\n%s", got)
	}
	if got := tr.Must(t, "ps", "-a").Stdout; strings.Count(got, "\n") != 1 {
		t.Errorf("there are runs left:\n%s", got)
	}
	tr.Must(t, "base", "add", harness.Tiny, harness.TinyRoot(t))
	if got := tr.Must(t, "-p", "one", "cat", "/made").Stdout; got != "one\n" {
		t.Errorf("the image that was built again has %q", got)
	}
}
