package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestWithoutWordsThereIsTheUsageAndNothingIsTouched(t *testing.T) {
	dir := harness.TempDir(t)
	c := harness.Command{Dir: dir, Store: filepath.Join(dir, "store"), Env: []string{
		"HOME=" + filepath.Join(dir, "home"), "CCACHE_DIR=" + filepath.Join(dir, "ccache"), "TMPDIR=" + filepath.Join(dir, "tmp"),
	}}
	usage := c.Must(t)
	equal(t, "standard error", usage.Stderr, "")
	contains(t, usage.Stdout, "Examples:", "Usage:", "-p, --platform", "Exit status:")
	for _, args := range [][]string{{"--help"}, {"-h"}, {"help"}, {"run", "--help"}, {"-p", "x", "--help"}} {
		c.Args = args
		r := c.Must(t)
		equal(t, strings.Join(args, " "), r.Stdout, usage.Stdout)
		equal(t, "standard error", r.Stderr, "")
	}
	for _, args := range [][]string{{"version"}, {"--version"}} {
		c.Args = args
		r := c.Must(t)
		equal(t, "standard error", r.Stderr, "")
		contains(t, r.Stdout, "caisson ", "commit ", "caisson-engine ", "runc ", "caisson-init ", "sha256:")
	}
	for _, args := range [][]string{{"ps", "--help"}, {"logs", "-h"}, {"base", "--help"}, {"clean", "--help"}, {"doctor", "--help"}} {
		c.Args = args
		r := c.Must(t)
		equal(t, "standard error", r.Stderr, "")
		contains(t, r.Stdout, "usage: caisson "+args[0])
	}
	c.Args = []string{"ps"}
	contains(t, c.Must(t).Stdout, "RUN ")
	if names := list(t, dir); len(names) > 0 {
		t.Errorf("made: %q", names)
	}
}

func TestThePlatformsAreListedOneALineAndSorted(t *testing.T) {
	root := harness.Project(t, "demo", map[string]string{
		"ci/docker/Dockerfile.build.zeta":    "FROM tiny\n",
		"ci/docker/Dockerfile.build.armv7":   "FROM nothing:that-exists\n",
		"ci/docker/Dockerfile.build.old~":    "FROM tiny\n",
		"ci/docker/Dockerfile.publish.wheel": "FROM tiny\n",
		"ci/docker/README.md":                "",
		"src/deep/inside/file":               "",
	})
	store := filepath.Join(harness.TempDir(t), "store")
	for _, c := range []harness.Command{
		{Dir: root, Args: []string{"-l"}},
		{Dir: root, Args: []string{"--list"}},
		{Dir: root, Args: []string{"run", "-l"}},
		{Dir: filepath.Join(root, "src/deep/inside"), Args: []string{"-l"}},
		{Dir: "/", Args: []string{"-C", filepath.Join(root, "src"), "-l"}},
	} {
		c.Store = store
		r := c.Must(t)
		equal(t, "standard output", r.Stdout, "armv7\npublish.wheel\ntiny\nzeta\n")
		equal(t, "standard error", r.Stderr, "")
	}
	if exists(store) || exists(filepath.Join(root, "build")) {
		t.Error("-l made a store or a build folder")
	}
}

func TestTheImageOnly(t *testing.T) {
	tr := coldTree(t, nil)
	r := tr.Command("-p", "tiny", "-b").Must(t)
	equal(t, "standard output", r.Stdout, "")
	contains(t, r.Stderr, "caisson: tiny: building the image: first build", "caisson: tiny: image democi/build.tiny built in ")
	r = tr.Command("-p", "tiny", "-b").Must(t)
	equal(t, "standard error", r.Stderr, "caisson: tiny: image democi/build.tiny is up to date\n")
	contains(t, tr.Command("-p", "tiny", "-b", "-d", "mine").Must(t).Stderr, "image mine/build.tiny is up to date")
	contains(t, tr.Command("-p", "tiny", "-b", "-d", "").Must(t).Stderr, "image demo_local/build.tiny is up to date")
	if exists(filepath.Join(tr.Root, "build")) {
		t.Error("-b made a build folder")
	}
	if rows := tr.rows(t, "-a"); len(rows) > 0 {
		t.Errorf("-b ran something: %q", rows)
	}
}

func TestTheContainerOnly(t *testing.T) {
	tr := coldTree(t, nil)
	r := tr.run(t, "-p", "tiny", "-R", "true")
	if r.Code != 125 {
		t.Errorf("-R without an image: status %d", r.Code)
	}
	contains(t, r.Stderr, "there is no image democi/build.tiny", "leave out -R", "caisson -p tiny -b")

	tr.must(t, "-p", "tiny", "-b")
	equal(t, "output of -R", tr.must(t, "-p", "tiny", "-R", "echo", "hello"), "hello\n")
	tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo new > /new\n"})
	equal(t, "the image of -R", tr.must(t, "-p", "tiny", "-R", "sh", "-c", "cat /new 2>/dev/null || echo old"), "old\n")
	r = tr.Command("-p", "tiny", "cat", "/new").Must(t)
	equal(t, "output without -R", r.Stdout, "new\n")
	contains(t, r.Stderr, "building the image: ")
	tr.must(t, "-p", "tiny", "-R")
	if !exists(filepath.Join(tr.Root, "build", "out")) {
		t.Error("-R did not run the build function")
	}
}

func TestTheProjectIsFoundFromAnyFolder(t *testing.T) {
	tr := newTree(t, map[string]string{"src/deep/file": ""})
	c := tr.Command("-p", "tiny", "ls", "/work/demo")
	want := c.Must(t).Stdout
	contains(t, want, "ci\n", "src\n", "build\n")
	c.Dir = filepath.Join(tr.Root, "src", "deep")
	equal(t, "from a folder below", c.Must(t).Stdout, want)
	c.Dir, c.Args = "/", append([]string{"-C", tr.Root}, c.Args...)
	equal(t, "with -C", c.Must(t).Stdout, want)
	c.Dir, c.Args[1] = filepath.Dir(tr.Root), "demo/src"
	equal(t, "with -C and a relative path", c.Must(t).Stdout, want)
	c.Args[1] = "nowhere"
	if r := c.Run(t); r.Code != 125 || !strings.Contains(r.Stderr, "nowhere") {
		t.Errorf("with -C and a folder that does not exist: status %d\n%s", r.Code, r.Stderr)
	}
}

func TestTheStoreCanBeNamed(t *testing.T) {
	tr := newTree(t, nil)
	store := harness.ColdStore(t)
	c := tr.Command("--store", store, "-p", "tiny", "echo", "hello")
	c.Store = filepath.Join(harness.TempDir(t), "not-this-one")
	equal(t, "output", c.Must(t).Stdout, "hello\n")
	c.Args = []string{"logs", "--store", store}
	equal(t, "log", c.Must(t).Stdout, "hello\n")
	if exists(c.Store) {
		t.Error("the store of CAISSON_STORE was made")
	}
}

func TestACachedRunSaysNothingAndIsFast(t *testing.T) {
	tr := newTree(t, nil)
	tr.must(t, "-p", "tiny", "true")
	best := time.Hour
	for range 5 {
		r := tr.Command("-p", "tiny", "true").Must(t)
		equal(t, "what it says", r.Stdout+r.Stderr, "")
		best = min(best, r.Took)
	}
	t.Logf("a cached run took %s", best)
	if best > 2*time.Second { // bench/ measures; this only tells a run that built or waited
		t.Errorf("the best of five took %s", best)
	}
}

func TestABuildThatLeavesFilesInTheTreeLeavesThemInPlace(t *testing.T) {
	tr := newTree(t, nil)
	tr.sh(t, "mkdir -p /work/demo/lib; echo x > /work/demo/lib/a; echo y > /work/demo/report.xml; ln -s report.xml /work/demo/link")
	for path, want := range map[string]string{"lib/a": "x\n", "report.xml": "y\n", "link": "y\n"} {
		if b, err := os.ReadFile(filepath.Join(tr.Root, path)); err != nil || string(b) != want {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
}
