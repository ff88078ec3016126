package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

// odd is a name with all that breaks programs which paste paths into options, command lines or lists.
const odd = "a 'b' \"c\":d,e=f;$g\\h%s*ü\n次"

func TestATreeMayLieAtAnyPath(t *testing.T) {
	build := "#!/bin/sh\nset -e\nbuild_tiny() { cp ../*/ci/docker/* /work/build/; pwd > /work/build/out; }\ncd \"${0%/*}\"/../..\n\"$@\"\n"
	for _, c := range []struct{ name, marker, inside string }{
		{"with a name of its own inside", ".demo_root", "/work/demo"},
		{"with its folder's name inside", ".git/HEAD", "/work/" + odd},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(harness.TempDir(t), odd)
			harness.Write(t, root, map[string]string{
				c.marker:                          "",
				"ci/docker/Dockerfile.build.tiny": "FROM tiny\nCOPY " + `["a (b): ü", "/copied"]` + "\n",
				"ci/docker/a (b): ü":              "from the context\n",
				"ci/docker/runtime_functions.sh":  build,
			})
			tr := tree{harness.Tree{Root: root, Store: harness.Store(t)}}.owned(t)
			tr.Must(t, "-p", "tiny")
			if got := tr.Read(t, "build/out"); got != c.inside+"\n" {
				t.Errorf("it was built in %q, want %q", got, c.inside)
			}
			if got := tr.Must(t, "-p", "tiny", "cat", "/copied").Stdout; got != "from the context\n" {
				t.Errorf("the image has %q", got)
			}
			if lines := strings.Count(tr.Command("ps", "-a").Must(t).Stdout, odd); lines != 0 {
				t.Errorf("ps breaks its lines at a newline of a path")
			}
		})
	}
}

func TestAStoreMayLieAtAnyPathThatALayerMayHave(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo made > /made\n"})
	tr.Store = filepath.Join(harness.TempDir(t), strings.NewReplacer(",", "", ":", "", `\`, "").Replace(odd))
	if err := os.Rename(harness.ColdStore(t), tr.Store); err != nil {
		t.Fatal(err)
	}
	if got := tr.Must(t, "-p", "tiny", "cat", "/made").Stdout; got != "made\n" {
		t.Errorf("the image has %q", got)
	}
	for _, name := range []string{"a,b", "a:b", `a\b`} {
		tr.Store = filepath.Join(harness.TempDir(t), name)
		tr.refused(t, []string{"-p", "tiny", "true"}, "store ", "no comma, colon or backslash", "--store or CAISSON_STORE")
	}
}

func TestATreeMayBeReachedThroughALink(t *testing.T) {
	tr := newTree(t, nil)
	link := filepath.Join(harness.TempDir(t), "link")
	if err := os.Symlink(tr.Root, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		args      []string
	}{
		{"by the working folder", link, []string{"-p", "tiny"}},
		{"by a folder below it", link + "/ci/docker", []string{"-p", "tiny"}},
		{"by -C", "/", []string{"-C", link, "-p", "tiny"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(tr.Root + "/build"); err != nil {
				t.Fatal(err)
			}
			cmd := tr.Command(c.args...)
			cmd.Dir = c.dir
			cmd.Env = append(cmd.Env, "PWD="+c.dir) // as a shell sets it
			cmd.Must(t)
			if got := tr.Read(t, "build/out"); got != "built\n" {
				t.Errorf("build/out is %q", got)
			}
		})
	}
}

func TestAReadOnlyTreeCanBeLookedAtAndSaysWhyItCannotBeBuilt(t *testing.T) {
	t.Run("without build it is refused", func(t *testing.T) {
		tr := newTree(t, nil)
		readOnly(t, tr.Root)
		tr.refused(t, []string{"-p", "tiny", "true"}, "make the folder for artifacts in "+tr.Root, "read-only file system", "copy the tree")
	})
	t.Run("with build commands run", func(t *testing.T) {
		tr := newTree(t, map[string]string{"build/old": "still here\n"})
		readOnly(t, tr.Root)
		r := tr.Must(t, "-p", "tiny", "cat", "/work/build/old")
		if r.Stdout != "still here\n" {
			t.Errorf("it read %q", r.Stdout)
		}
		says(t, r.Stderr, "caisson: tiny: "+tr.Root+"/build cannot be written (read-only file system)", "copy the tree")
		r = tr.Command("-p", "tiny").Run(t)
		if r.Code == 0 {
			t.Error("a build succeeded")
		}
		says(t, r.Stderr, "Read-only file system", "caisson: tiny: failed with status ", "caisson logs ")
	})
	t.Run("of another user", func(t *testing.T) {
		tr := newTree(t, map[string]string{"build/old": "still here\n"}).owned(t)
		program(t, "chown", "-R", "0:0", tr.Root)
		r := tr.Must(t, "-p", "tiny", "cat", "/work/build/old")
		says(t, r.Stderr, "build cannot be written by uid 54321", "sudo chown -R 54321:54322 ")
	})
}
