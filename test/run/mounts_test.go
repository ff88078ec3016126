package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

// inode names a file of this machine as "stat -c %d:%i" does in a run.
func inode(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

func TestTheTreeItsBuildFolderAndTheCompilerCacheAreMounted(t *testing.T) {
	cache := filepath.Join(harness.TempDir(t), "cache")
	tr := newTree(t, map[string]string{"src/file": "of the tree\n"}).with("CCACHE_DIR=" + cache)
	got := tr.sh(t, "set -e; cat /work/demo/src/file; stat -c %d:%i /work/demo /work/build /work/demo/build /work/ccache; "+
		"echo made > /work/build/by-run; echo made > /work/ccache/by-run")
	build := inode(t, filepath.Join(tr.Root, "build"))
	equal(t, "the file and the folders", got,
		strings.Join([]string{"of the tree", inode(t, tr.Root), build, build, inode(t, cache), ""}, "\n"))
	for _, path := range []string{filepath.Join(tr.Root, "build", "by-run"), filepath.Join(cache, "by-run")} {
		if b, err := os.ReadFile(path); err != nil || string(b) != "made\n" {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
}

func TestTheProjectsNameIsItsFolderInTheRun(t *testing.T) {
	tr := newTree(t, nil)
	for _, c := range []struct {
		name, file, want string
	}{
		{"by the file .NAME_root", ".other_root", "/work/other"},
		{"by the folder of a git tree", ".git/HEAD", "/work/A folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := filepath.Join(harness.TempDir(t), "A folder")
			harness.Write(t, root, map[string]string{c.file: "", "ci/docker/Dockerfile.build.tiny": "FROM tiny\n"})
			tr.Root = root
			equal(t, "folder", tr.must(t, "-p", "tiny", "sh", "-c", "ls -d /work/*/ci"), c.want+"/ci\n")
		})
	}
}

func TestTheCompilerCachesVariables(t *testing.T) {
	const show = "env | grep ^CCACHE_ | grep -v ^CCACHE_STATSLOG | sort"
	tr := newTree(t, nil)
	equal(t, "variables", tr.sh(t, show),
		"CCACHE_DIR=/work/ccache\nCCACHE_LOGFILE=/tmp/ccache.log\nCCACHE_MAXSIZE=10G\nCCACHE_TEMPDIR=/tmp/ccache\n")
	contains(t, tr.with("CCACHE_MAXSIZE=3G").sh(t, show), "CCACHE_MAXSIZE=3G\n")
	contains(t, tr.must(t, "-p", "tiny", "-e", "CCACHE_DISABLE=1", "CCACHE_MAXSIZE=1G", "sh", "-c", show),
		"CCACHE_DISABLE=1\n", "CCACHE_MAXSIZE=1G\n")

	dir := filepath.Join(harness.TempDir(t), "another")
	tr.must(t, "-p", "tiny", "--ccache-dir", dir, "touch", "/work/ccache/here")
	if !exists(filepath.Join(dir, "here")) {
		t.Error("--ccache-dir is not /work/ccache")
	}
}

func TestTheSizeOfSharedMemory(t *testing.T) {
	tr := newTree(t, nil)
	const show = "df -k /dev/shm | tail -n 1 | awk '{print $2}'; echo x > /dev/shm/file"
	equal(t, "size", tr.sh(t, show), "512000\n")
	equal(t, "size with --shm-size", tr.must(t, "-p", "tiny", "--shm-size", "64m", "sh", "-c", show), "65536\n")
	equal(t, "size with --shm-size", tr.must(t, "-p", "tiny", "--shm-size=1.5g", "sh", "-c", show), "1572864\n")
}

func TestTheHostNameIsThePlatformsAndCanBeResolved(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tools":    tools,
		"ci/docker/Dockerfile.build.a_b.C-1_": "FROM tiny\n",
	})
	equal(t, "names", tr.must(t, "-p", "tools", "sh", "-c", "hostname; cat /etc/hostname; echo $HOSTNAME; getent hosts $(hostname) | awk '{print $1}'"),
		"tools\ntools\ntools\n127.0.1.1\n")
	equal(t, "name", tr.must(t, "-p", "a_b.C-1_", "hostname"), "a-b-c-1\n")
}

func TestVariablesOfAContinuousIntegrationPassWhenTheyAreSet(t *testing.T) {
	names := []string{"BUILD_ID", "BUILD_NUMBER", "BUILD_TAG", "JENKINS_NODE_COOKIE", "JENKINS_SERVER_COOKIE"}
	for _, name := range names {
		t.Setenv(name, "") // put back at the end
		os.Unsetenv(name)
	}
	tr := newTree(t, nil)
	const show = "env | grep -E '^(BUILD_|JENKINS_)' | sort"
	equal(t, "none are set", tr.sh(t, show), "")
	var env []string
	want := ""
	for _, name := range names {
		env = append(env, name+"=of "+name)
		want += name + "=of " + name + "\n"
	}
	equal(t, "all are set", tr.with(append(env, "BUILD_OTHER=1")...).sh(t, show), want)
	equal(t, "one is set and empty", tr.with("BUILD_TAG=").sh(t, show), "BUILD_TAG=\n")
	equal(t, "-e wins", tr.with("BUILD_ID=1").must(t, "-p", "tiny", "-e", "BUILD_ID=2", "sh", "-c", show), "BUILD_ID=2\n")
}
