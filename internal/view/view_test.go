package view

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/internal/engine"

	"github.com/google/go-cmp/cmp"
)

const nobody, nogroup = 65534, 65534

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newTree is a tree of nobody's with that name, in a folder that everybody may enter.
func newTree(t *testing.T, name string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests play root and another user: run them as root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	return makeDir(t, filepath.Join(dir, name))
}

// makeDir makes a folder of nobody's.
func makeDir(t *testing.T, path string) string {
	t.Helper()
	must(t, os.MkdirAll(path, 0o755))
	must(t, os.Chown(path, nobody, nogroup))
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func options(root string) Options {
	return Options{Root: root, Project: "p", UID: nobody, GID: nogroup}
}

func TestATreeIsSeenInPlaceAndItsBuildFolderIsTheCallers(t *testing.T) {
	for _, name := range []string{"plain", "with space", `quotes "and' $x`, "a:b,c=d", "ümläut-漢", "new\nline", "-p", "back\\slash"} {
		root := newTree(t, name)
		for range 2 { // made, then found
			got, err := InPlace(options(root))
			must(t, err)
			build := filepath.Join(root, "build")
			want := View{Root: root, Build: build, Mounts: []engine.Mount{
				{Source: root, Destination: "/work/p"}, {Source: build, Destination: "/work/build"}}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q: %s", name, diff)
			}
			info, err := os.Lstat(build)
			must(t, err)
			if st := info.Sys().(*syscall.Stat_t); st.Uid != nobody || st.Gid != nogroup || !info.IsDir() {
				t.Fatalf("%q: build is %v of %d:%d", name, info.Mode(), st.Uid, st.Gid)
			}
		}
	}
}

func TestATreeBehindALinkIsTheSameTree(t *testing.T) {
	root := newTree(t, "real")
	link := filepath.Join(filepath.Dir(root), "link")
	must(t, os.Symlink("real", link))
	got, err := InPlace(options(link))
	must(t, err)
	if got.Root != root || got.Mounts[0].Source != root || got.Build != filepath.Join(root, "build") {
		t.Fatalf("%+v", got)
	}
}

func TestABuildLinkStaysInsideTheTree(t *testing.T) {
	root := newTree(t, "tree")
	out := makeDir(t, filepath.Join(root, "out", "x"))
	build := filepath.Join(root, "build")
	for target, extra := range map[string][]engine.Mount{
		"out/x":                    nil,
		"./out/../out/x":           nil,
		"../tree/out/x":            nil,
		out:                        {{Source: out, Destination: out}},
		filepath.Dir(out) + "/./x": {{Source: out, Destination: out}},
	} {
		must(t, os.RemoveAll(build))
		must(t, os.Symlink(target, build))
		got, err := InPlace(options(root))
		must(t, err)
		want := append([]engine.Mount{{Source: root, Destination: "/work/p"}}, extra...)
		want = append(want, engine.Mount{Source: out, Destination: "/work/build"})
		if diff := cmp.Diff(want, got.Mounts); diff != "" || got.Build != out {
			t.Errorf("%s: %s", target, diff)
		}
	}
}

// inTheWay are trees that cannot be seen, and words of the error.
var inTheWay = map[string]struct {
	set  func(t *testing.T, root string)
	want []string
}{
	"build is a file": {func(t *testing.T, root string) {
		write(t, filepath.Join(root, "build"), "")
	}, []string{"build is not a folder", "(mv '", `it'\''s/build.old')`}},
	"build is a pipe": {func(t *testing.T, root string) {
		must(t, syscall.Mkfifo(filepath.Join(root, "build"), 0o600))
	}, []string{"build is not a folder"}},
	"build leads out by a relative link": {func(t *testing.T, root string) {
		makeDir(t, filepath.Join(filepath.Dir(root), "elsewhere"))
		must(t, os.Symlink("../elsewhere", filepath.Join(root, "build")))
	}, []string{"/elsewhere, outside of the tree", "replace it by a folder"}},
	"build leads out by an absolute link": {func(t *testing.T, root string) {
		must(t, os.Symlink("/etc", filepath.Join(root, "build")))
	}, []string{"symbolic link to /etc, outside of the tree", "replace it by a folder"}},
	"build leads out in two steps": {func(t *testing.T, root string) {
		must(t, os.Symlink("/etc", filepath.Join(root, "inside")))
		must(t, os.Symlink("inside", filepath.Join(root, "build")))
	}, []string{"symbolic link to /etc, outside of the tree"}},
	"build is the tree itself": {func(t *testing.T, root string) {
		must(t, os.Symlink(".", filepath.Join(root, "build")))
	}, []string{"outside of the tree"}},
	"build is a link to nothing inside": {func(t *testing.T, root string) {
		must(t, os.Symlink("out", filepath.Join(root, "build")))
	}, []string{"symbolic link to out, which does not exist", "make that folder"}},
	"build is a link to nothing outside": {func(t *testing.T, root string) {
		must(t, os.Symlink("../planted", filepath.Join(root, "build")))
	}, []string{"symbolic link to ../planted, which does not exist"}},
	"build is a link to a file": {func(t *testing.T, root string) {
		write(t, filepath.Join(root, "file"), "")
		must(t, os.Symlink("file", filepath.Join(root, "build")))
	}, []string{"symbolic link to file, which is not a folder", "remove the link"}},
	"build is a loop": {func(t *testing.T, root string) {
		must(t, os.Symlink("build", filepath.Join(root, "build")))
	}, []string{"follow the link", "remove it"}},
	"the tree is somebody else's": {func(t *testing.T, root string) {
		must(t, os.Chown(root, 0, 0))
	}, []string{"make the folder for artifacts", "permission denied", "mkdir build"}},
	"the tree is missing": {func(t *testing.T, root string) {
		must(t, os.Remove(root))
	}, []string{"open the source tree", "no such file"}},
	"the tree is a file": {func(t *testing.T, root string) {
		must(t, os.Remove(root))
		write(t, root, "")
	}, []string{"open the source tree", "not a directory"}},
}

func TestWhatIsInTheWayIsSaidWithTheNextStep(t *testing.T) {
	for name, c := range inTheWay {
		t.Run(name, func(t *testing.T) {
			root := newTree(t, "it's")
			c.set(t, root)
			got, err := InPlace(options(root))
			if err == nil {
				t.Fatalf("seen: %+v", got)
			}
			for _, want := range append(c.want, root) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if _, err := os.Lstat(filepath.Join(filepath.Dir(root), "planted")); err == nil {
				t.Error("a link was followed to make a folder")
			}
		})
	}
}

func TestNamesThatCannotBeAFolderBesideBuildAreRefused(t *testing.T) {
	root := newTree(t, "tree")
	for _, name := range []string{"", ".", "..", "a/b", "build", "ccache", "a\x00", strings.Repeat("x", 256)} {
		o := options(root)
		o.Project = name
		if _, err := InPlace(o); err == nil || !strings.Contains(err.Error(), ".NAME_root") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := InPlace(options("/")); err == nil || !strings.Contains(err.Error(), "folder of its own") {
		t.Errorf("/: %v", err)
	}
}

func TestABuildFolderThatTheCallerCannotWriteIsNoted(t *testing.T) {
	root := newTree(t, "a tree")
	must(t, os.Mkdir(filepath.Join(root, "build"), 0o755)) // of root, as an older tool left it
	got, err := InPlace(options(root))
	must(t, err)
	want := "run sudo chown -R 65534:65534 '" + root + "/build'"
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], want) || len(got.Mounts) != 2 {
		t.Fatalf("%+v, want a note with %q", got, want)
	}
}
