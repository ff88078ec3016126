package security

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/test/harness"
)

// outside is a folder that is not of the tree, with a file secret in it that the one who runs caisson can read.
func outside(t testing.TB) (dir, secret string) {
	t.Helper()
	dir, secret = harness.TempDir(t), "secret-"+rand.Text()
	harness.Write(t, dir, map[string]string{"secret": secret + "\n"})
	return dir, secret
}

func link(t testing.TB, target, path string) {
	t.Helper()
	must(t, os.RemoveAll(path))
	must(t, os.Symlink(target, path))
	must(t, os.Lchown(path, harness.Runner().UID, harness.Runner().GID))
}

// untouched checks that a folder has this one file still, with its content.
func untouched(t testing.TB, dir, secret string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	b, err := os.ReadFile(filepath.Join(dir, "secret"))
	if err != nil || len(entries) != 1 || string(b) != secret+"\n" {
		t.Errorf("the folder outside has %v now, and its file %q (%v)", entries, b, err)
	}
}

func TestABuildFolderThatLeadsOutOfTheTreeIsRefused(t *testing.T) {
	dir, secret := outside(t)
	for _, target := range []string{dir, "/etc", "../../../../../../../../etc", "ci/../../.."} {
		t.Run(target, func(t *testing.T) {
			tr := harness.NewTree(t, nil).Owned(t)
			link(t, target, tr.File("build"))
			refused(t, tr.Command("-p", "tiny", "touch", "/work/build/made").Run(t), "symbolic link", "outside of the tree")
		})
	}
	untouched(t, dir, secret)
}

func TestARunThatReplacesTheBuildFolderByALinkGainsNothing(t *testing.T) {
	dir, secret := outside(t)
	tr := harness.NewTree(t, nil).Owned(t)
	sh(t, tr, "rm -rf /work/demo/build; ln -s "+dir+" /work/demo/build")
	refused(t, tr.Command("-p", "tiny", "touch", "/work/build/made").Run(t), "outside of the tree")
	must(t, os.Remove(tr.File("build")))
	sh(t, tr, "ln -s "+dir+" /work/build/link; ln -s "+dir+" /work/demo/lib; rm -rf /work/build 2>/dev/null; true")
	worksOrSays(t, tr.Command("-p", "tiny", "sh", "-c", "touch /work/build/link/made /work/demo/lib/made").Run(t))
	untouched(t, dir, secret)
}

func TestALinkInTheContextCopiesNothingFromOutside(t *testing.T) {
	dir, secret := outside(t)
	up := strings.Repeat("../", 12) + dir[1:]
	tr := harness.NewTree(t, nil)
	link(t, filepath.Join(dir, "secret"), tr.File("ci/docker/absolute"))
	link(t, up+"/secret", tr.File("ci/docker/relative"))
	link(t, dir, tr.File("ci/docker/folder"))
	for _, line := range []string{
		"COPY absolute /x", "COPY relative /x", "COPY folder /x", "COPY folder/ /x/", "COPY folder/secret /x", "ADD absolute /x",
		"COPY " + up + "/secret /x", "COPY . /x",
		"RUN --mount=type=bind,source=folder,target=/m cp -r /m /x", "RUN --mount=type=bind,source=absolute,target=/m cp /m /x",
		"RUN --mount=type=bind,source=" + up + ",target=/m cp -r /m /x",
	} {
		t.Run(line, func(t *testing.T) {
			tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\n" + line + "\n"})
			r := tr.Command("-r", "1", "-p", "tiny", "sh", "-c", "grep -r secret- /x; true").Run(t)
			worksOrSays(t, r)
			if strings.Contains(r.Stdout+r.Stderr, secret) {
				t.Errorf("the file is in the image:\n%s", r.Stdout)
			}
		})
	}
}

// Their content must not even be shown: the log of a CI job is often public.
func TestALinkOutOfTheTreeIsNotRead(t *testing.T) {
	dir, secret := outside(t)
	for name, c := range map[string]struct {
		path, target string
		args         []string
	}{
		"a Dockerfile":       {"ci/docker/Dockerfile.build.tiny", "secret", []string{"-p", "tiny", "true"}},
		"a functions file":   {"ci/docker/runtime_functions.sh", "secret", []string{"-p", "tiny"}},
		"caisson.yaml":       {"caisson.yaml", "secret", []string{"-l"}},
		"a .dockerignore":    {"ci/docker/.dockerignore", "secret", []string{"-p", "tiny", "true"}},
		"the docker folder":  {"ci/docker", "", []string{"-l"}},
		"the folder of it":   {"ci", "", []string{"-l"}},
		"a .git file":        {".git", "secret", []string{"-p", "tiny", "true"}},
		"the name of a root": {".other_root", "secret", []string{"-l"}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := harness.NewTree(t, nil)
			link(t, filepath.Join(dir, c.target), tr.File(c.path))
			r := tr.Command(c.args...).Run(t)
			worksOrSays(t, r)
			if strings.Contains(r.Stdout+r.Stderr, secret) {
				t.Errorf("it is shown:\n%s", r.Stderr)
			}
		})
	}
	untouched(t, dir, secret)
}

func TestADockerFolderOutsideOfTheTreeIsNotUsed(t *testing.T) {
	other := harness.NewTree(t, map[string]string{"ci/docker/secret": "x"})
	for _, path := range []string{"ci/docker", "ci"} {
		t.Run(path, func(t *testing.T) {
			tr := harness.NewTree(t, nil)
			link(t, other.File(path), tr.File(path))
			refused(t, tr.Command("-p", "tiny", "true").Run(t), "outside")
		})
	}
}

func TestNamesThatArePathsAreRefused(t *testing.T) {
	tr := harness.NewTree(t, nil)
	for _, name := range []string{"../../x", "/etc/passwd", "tiny/../tiny", "..", ""} {
		refused(t, tr.Command("-p", name, "true").Run(t), "caisson: ")
	}
	for _, name := range []string{"../x", "..", "a/b", "build", "ccache"} {
		tr.Write(t, map[string]string{"caisson.yaml": "project: '" + name + "'\n"})
		refused(t, tr.Command("-p", "tiny", "true").Run(t), "name")
	}
	must(t, os.Remove(tr.File("caisson.yaml")))
	for _, id := range []string{"../../../etc/passwd", "/etc/passwd", "..", "a/../../b"} {
		r := tr.Command("-d", id, "-p", "tiny", "true").Run(t) // a registry, and so a part of names in the store
		worksOrSays(t, r)
	}
}

func TestACompilerCacheBehindALinkIsTheCallersOrRefused(t *testing.T) {
	dir, secret := outside(t)
	harness.Give(t, harness.User{UID: 1234, GID: 1234}, dir)
	tr := harness.NewTree(t, nil).Owned(t)
	tr.Cache = filepath.Join(harness.TempDir(t), "link")
	link(t, dir, tr.Cache)
	refused(t, tr.Command("-p", "tiny", "touch", "/work/ccache/made").Run(t), "compiler cache", "permission denied")
	untouched(t, dir, secret)
}
