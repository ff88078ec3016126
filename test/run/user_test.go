package run

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// as is the tree as another user's who calls caisson by sudo.
func (tr tree) as(t *testing.T, uid, gid int) tree {
	t.Helper()
	// The folders of tests are closed to others.
	for dir := tr.root; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	if err := os.Chmod(filepath.Dir(cache), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{tr.root, cache} {
		err := filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, uid, gid)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tr.with(fmt.Sprintf("SUDO_UID=%d", uid), fmt.Sprintf("SUDO_GID=%d", gid), "SUDO_USER=ann", "CCACHE_DIR="+cache)
}

func TestARunWorksAsTheCallerOfSudo(t *testing.T) {
	tr := newTree(t, nil).as(t, 12345, 12346)
	tr.must(t, "-p", "tiny")
	got := tr.sh(t, `set -e
id -u; id -g; id -un; whoami
echo "$HOME"; echo x > "$HOME/file"; cd ~; pwd
grep ^ann: /etc/passwd
echo x > /work/demo/in-tree; mkdir -p /work/demo/lib; echo x > /work/demo/lib/file; echo x > /work/ccache/file
touch /etc/mine 2>/dev/null && echo root || echo no root`)
	equal(t, "what the command saw", got, strings.Join([]string{
		"12345", "12346", "ann", "ann", "/home/ann", "/home/ann", "ann:x:12345:12346::/home/ann:/bin/sh", "no root", "",
	}, "\n"))
	for _, path := range []string{"build", "build/out", "in-tree", "lib", "lib/file"} {
		if uid, gid := owner(t, filepath.Join(tr.root, path)); uid != 12345 || gid != 12346 {
			t.Errorf("%s belongs to %d:%d", path, uid, gid)
		}
	}
	for _, path := range list(t, tr.root, "") {
		if uid, _ := owner(t, filepath.Join(tr.root, path)); uid != 12345 {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
}

func TestAUserThatTheImageKnowsKeepsItsNameAndHome(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\n" +
			"RUN echo dev:x:12345:500::/opt/dev:/bin/ash >> /etc/passwd && mkdir -p /opt/dev && echo kept > /opt/dev/file && chown -R 12345 /opt/dev\n",
	}).as(t, 12345, 12346)
	equal(t, "what the command saw", tr.sh(t, `id -un; id -g; echo $HOME; cat ~/file; echo x > ~/new; grep -c :12345: /etc/passwd`),
		"dev\n12346\n/opt/dev\nkept\n1\n")
}

func TestAHomeThatWasAskedForStays(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nENV HOME=/of/the/image\n"}).as(t, 12345, 12346)
	equal(t, "HOME of the image", tr.sh(t, "echo $HOME"), "/of/the/image\n")
	equal(t, "HOME of -e", tr.must(t, "-p", "tiny", "-e", "HOME=/mine", "sh", "-c", "echo $HOME"), "/mine\n")
}

func TestSudoWorksInARun(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tools": tools}).as(t, 12345, 12346)
	got := tr.must(t, "-p", "tools", "sh", "-c", `set -e
id -un
sudo id -u
sudo sh -c 'echo made > /usr/local/bin/made; chown -R 12345 /work/build'
cat /usr/local/bin/made
sudo -u nobody id -un`)
	equal(t, "what the command saw", got, "ann\n0\nmade\nnobody\n")
}

func TestAFolderThatTheImagesWorkdirAddsToTheTreeBelongsToTheCaller(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nWORKDIR /work/demo/new/folder\n"}).as(t, 12345, 12346)
	tr.sh(t, "echo x > file")
	for _, path := range []string{"new", "new/folder", "new/folder/file"} {
		if uid, _ := owner(t, filepath.Join(tr.root, path)); uid != 12345 {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
}

func TestWithoutSudoARunOfRootIsRoots(t *testing.T) {
	tr := newTree(t, nil)
	equal(t, "what the command saw", tr.sh(t, "id -u; id -un; echo $HOME; echo x > ~/file"), "0\nroot\n/root\n")
}
