package run

import (
	"strings"
	"testing"

	"caisson/test/harness"
)

func TestARunWorksAsItsCaller(t *testing.T) {
	tr := newTree(t, nil).owned(t)
	tr.must(t, "-p", "tiny")
	got := tr.sh(t, `set -e
id -u; id -g; id -un; whoami
echo "$HOME"; echo x > "$HOME/file"; cd ~; pwd
grep ^tester: /etc/passwd
echo x > /work/demo/in-tree; mkdir -p /work/demo/lib; echo x > /work/demo/lib/file; echo x > /work/ccache/file
touch /etc/mine 2>/dev/null && echo root || echo no root`)
	equal(t, "what the command saw", got, strings.Join([]string{
		"54321", "54322", "tester", "tester", "/home/tester", "/home/tester", "tester:x:54321:54322::/home/tester:/bin/sh", "no root", "",
	}, "\n"))
	for _, path := range []string{"build", "build/out", "in-tree", "lib", "lib/file"} {
		if uid, gid := owner(t, tr.File(path)); uid != harness.Tester.UID || gid != harness.Tester.GID {
			t.Errorf("%s belongs to %d:%d", path, uid, gid)
		}
	}
	for _, path := range list(t, tr.Root, "") {
		if uid, _ := owner(t, tr.File(path)); uid != harness.Tester.UID {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
}

func TestAUserThatTheImageKnowsKeepsItsNameAndHome(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\n" +
			"RUN echo dev:x:54321:500::/opt/dev:/bin/ash >> /etc/passwd && mkdir -p /opt/dev && echo kept > /opt/dev/file && chown -R 54321 /opt/dev\n",
	}).owned(t)
	equal(t, "what the command saw", tr.sh(t, `id -un; id -g; echo $HOME; cat ~/file; echo x > ~/new; grep -c :54321: /etc/passwd`),
		"dev\n54322\n/opt/dev\nkept\n1\n")
}

func TestAHomeThatWasAskedForStays(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nENV HOME=/of/the/image\n"}).owned(t)
	equal(t, "HOME of the image", tr.sh(t, "echo $HOME"), "/of/the/image\n")
	equal(t, "HOME of -e", tr.must(t, "-p", "tiny", "-e", "HOME=/mine", "sh", "-c", "echo $HOME"), "/mine\n")
}

func TestSudoWorksInARun(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tools": tools}).owned(t)
	got := tr.must(t, "-p", "tools", "sh", "-c", `set -e
id -un
sudo id -u
sudo sh -c 'echo made > /usr/local/bin/made; chown -R 54321 /work/build'
cat /usr/local/bin/made
sudo -u nobody id -un`)
	equal(t, "what the command saw", got, "tester\n0\nmade\nnobody\n")
}

func TestAFolderThatTheImagesWorkdirAddsToTheTreeBelongsToTheCaller(t *testing.T) {
	tr := newTree(t, map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nWORKDIR /work/demo/new/folder\n"}).owned(t)
	tr.sh(t, "echo x > file")
	for _, path := range []string{"new", "new/folder", "new/folder/file"} {
		if uid, _ := owner(t, tr.File(path)); uid != harness.Tester.UID {
			t.Errorf("%s belongs to %d", path, uid)
		}
	}
}

func TestWithoutSudoARunOfRootIsRoots(t *testing.T) {
	harness.RootOnly(t, "nobody else can be root in a run")
	tr := newTree(t, nil)
	equal(t, "what the command saw", tr.sh(t, "id -u; id -un; echo $HOME; echo x > ~/file"), "0\nroot\n/root\n")
}
