package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"caisson/test/harness"
)

// sources of a base with a file /from and, where it is an image, a variable.
type sources struct{ root, rootTar, layout, layoutTar, saved string }

func newSources(t *testing.T) sources {
	t.Helper()
	dir := harness.TempDir(t)
	s := sources{
		root: harness.TinyRoot(t), rootTar: filepath.Join(dir, "root.tar.gz"), layout: filepath.Join(dir, "layout"),
		layoutTar: filepath.Join(dir, "layout.tar"), saved: filepath.Join(dir, "saved.tar"),
	}
	harness.Write(t, s.root, map[string]string{"from": "outside\n"})
	program(t, "tar", "-C", s.root, "--owner=0", "--group=0", "-czf", s.rootTar, ".")
	img := image(t, s.rootTar)
	p, err := layout.Write(s.layout, empty.Index)
	if err == nil {
		err = p.AppendImage(img)
	}
	if err == nil {
		err = tarball.WriteToFile(s.saved, name.MustParseReference("team/saved:1"), img)
	}
	if err != nil {
		t.Fatal(err)
	}
	program(t, "tar", "-C", s.layout, "-cf", s.layoutTar, ".")
	harness.Give(t, harness.Runner(), dir)
	return s
}

// image is made by a library that knows nothing of ours.
func image(t *testing.T, rootTar string) v1.Image {
	t.Helper()
	layer, err := tarball.LayerFromFile(rootTar)
	if err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config.Env = []string{"PATH=/bin", "KIND=image"}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func TestABaseOfEveryKindCanBeAddedUsedListedAndRemoved(t *testing.T) {
	from := newSources(t)
	tr := newTree(t, nil)
	tr.Store = harness.ColdStore(t)
	for _, c := range []struct{ name, source, kind string }{
		{"a root file system in a folder", from.root, ""},
		{"a root file system in a tar", from.rootTar, ""},
		{"an OCI layout in a folder", from.layout, "image"},
		{"an OCI layout in a tar", from.layoutTar, "image"},
		{"a docker save archive", from.saved, "image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			const ref = "example.invalid/team/tools:1"
			r := tr.Must(t, "base", "add", ref, c.source)
			if r.Stdout != "" {
				t.Errorf("standard output has %q", r.Stdout)
			}
			says(t, r.Stderr, "caisson: base "+ref+" ("+architecture+", ", " added in ")
			list := tr.Must(t, "base", "list").Stdout
			says(t, list, "REF ", "ARCH ", "SIZE ", "ADDED ", "SOURCE\n", ref+"  ", c.source+"\n", "docker.io/library/tiny:latest")
			tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.tools": "FROM " + ref + "\nRUN echo \"$KIND\" > /kind\n"})
			// An ordinary caller's folder has no file of root's; the image has.
			got := tr.Must(t, "-p", "tools", "sh", "-c", "cat /from /kind; stat -c %u:%g /from /etc").Stdout
			if want := "outside\n" + c.kind + "\n0:0\n0:0\n"; got != want {
				t.Errorf("the image on the base has %q, want %q", got, want)
			}
			tr.Must(t, "base", "remove", ref)
			if list := tr.Must(t, "base", "list").Stdout; strings.Contains(list, ref) {
				t.Errorf("it is still there:\n%s", list)
			}
		})
	}
	t.Run("and its name is free again", func(t *testing.T) {
		tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.tools": "FROM example.invalid/team/tools:1\nRUN true\n"})
		tr.refused(t, []string{"-p", "tools", "true"}, "caisson base add example.invalid/team/tools:1 SOURCE")
	})
}

func TestAnImageIsRebuiltWhenItsBaseIsAnother(t *testing.T) {
	from := newSources(t)
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tools": "FROM tools\n"})
	tr.Store = harness.ColdStore(t)
	tr.Must(t, "base", "add", "tools", from.root)
	tr.Must(t, "-p", "tools", "true")
	harness.Write(t, from.root, map[string]string{"from": "another\n"})
	tr.Must(t, "base", "add", "tools", from.root)
	r := tr.Must(t, "-p", "tools", "cat", "/from")
	if r.Stdout != "another\n" {
		t.Errorf("the image has %q", r.Stdout)
	}
	says(t, r.Stderr, "caisson: tools: building the image: base tools changed\n")
}

func TestABaseThatCannotBeIsRefused(t *testing.T) {
	tr := newTree(t, nil)
	dir := harness.TempDir(t)
	text, archive := filepath.Join(dir, "notes.txt"), filepath.Join(dir, "notes.tar")
	if err := os.WriteFile(text, []byte("no archive\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	program(t, "tar", "-C", dir, "-cf", archive, "notes.txt")
	forms := []string{"OCI layout", "docker save", "root file system", "debian:SUITE"}
	for _, c := range []struct {
		name  string
		words []string
		says  []string
	}{
		{"nothing to add", []string{"add", "tools"}, []string{`base does not understand "add tools"`, "caisson base add REF SOURCE"}},
		{"an unknown verb", []string{"import", "tools", "x"}, []string{`"import tools x"`, "caisson base add REF SOURCE"}},
		{"a name that is none", []string{"add", "Tools", dir}, []string{`"Tools"`}},
		{"a source that is not there", []string{"add", "tools", "no/such/file"}, append([]string{tr.Root + "/no/such/file"}, forms...)},
		{"a file that is no archive", []string{"add", "tools", text}, append([]string{text, "no tar archive"}, forms...)},
		{"an archive of something else", []string{"add", "tools", archive}, append([]string{archive, "is no image"}, forms...)},
		{"a folder of something else", []string{"add", "tools", dir}, append([]string{dir, "is no image"}, forms...)},
		{"a suite that is missing", []string{"add", "tools", "debian:"}, []string{"debian:bookworm"}},
		{"an architecture that is none", []string{"add", "tools", "debian:bookworm/vax"}, []string{"vax", "arm64"}},
		{"a base that is not there", []string{"remove", "tools:7"}, []string{`no base "tools:7"`, "docker.io/library/tiny:latest"}},
	} {
		t.Run(c.name, func(t *testing.T) { tr.refused(t, append([]string{"base"}, c.words...), c.says...) })
	}
}
