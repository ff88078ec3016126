package project

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asAnOrdinaryUser runs do with the file permissions of an ordinary user, also when the tests run as root. The thread
// that has them ends with do.
func asAnOrdinaryUser(t *testing.T, root string, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		do()
		return
	}
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil { // the folder that testing made for itself
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		if err := unix.Setfsuid(65534); err != nil {
			t.Error(err)
			return
		}
		do()
	}()
	<-done
}

func locked(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Error(err)
		}
	})
}

func TestAProjectBelowAFolderThatCannotBeListed(t *testing.T) {
	root := tree(t, "home/p/.n_root", "home/p/docker/Dockerfile.build.x", "home/p/sub/")
	locked(t, filepath.Join(root, "home/p/sub"), 0o111)
	locked(t, filepath.Join(root, "home"), 0o111)
	asAnOrdinaryUser(t, root, func() {
		p, err := Load(filepath.Join(root, "home/p/sub"))
		if err != nil {
			t.Error(err)
		} else if p.Name != "n" {
			t.Errorf("name %q", p.Name)
		}
	})
}

func TestAFolderThatCannotBeListedIsNamedWhenNoProjectIsFound(t *testing.T) {
	root := tree(t, "home/user/")
	locked(t, filepath.Join(root, "home"), 0o111)
	asAnOrdinaryUser(t, root, func() {
		_, err := Load(filepath.Join(root, "home/user"))
		wantWordsHere(t, err, "not allowed to list "+filepath.Join(root, "home"))
	})
}

func TestAnUnreadableDockerFolderIsAnError(t *testing.T) {
	root := tree(t, ".git/", "ci/docker/Dockerfile.build.x", "docker/Dockerfile.build.y")
	locked(t, filepath.Join(root, "ci/docker"), 0o111)
	asAnOrdinaryUser(t, root, func() {
		_, err := Load(root)
		wantWordsHere(t, err, filepath.Join(root, "ci/docker")+": permission denied")
	})
}

// wantWordsHere is wantWords for a goroutine that must not end the test.
func wantWordsHere(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	wantWords(t, err, words...)
}
