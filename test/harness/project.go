package harness

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Project makes a source tree of the given name with these files and returns its root. Where the files do not say
// otherwise there is a platform "tiny" on the small base, with a functions file whose build_tiny writes build/out. A name
// that ends in ".sh" is executable.
func Project(t testing.TB, name string, files map[string]string) string {
	t.Helper()
	root := filepath.Join(TempDir(t), name)
	all := map[string]string{
		".demo_root":                      "",
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\n",
		"ci/docker/runtime_functions.sh":  "#!/bin/sh\nset -e\nbuild_tiny() { echo built > /work/build/out; }\n\"$@\"\n",
	}
	maps.Copy(all, files)
	Write(t, root, all)
	return root
}

// Write writes files below a folder. What it makes belongs to whom the folder around it belongs to.
func Write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		full := filepath.Join(root, path)
		makeFolder(t, filepath.Dir(full))
		_, err := os.Lstat(full)
		isNew := os.IsNotExist(err)
		mode := os.FileMode(0o644)
		if filepath.Ext(path) == ".sh" {
			mode = 0o755
		}
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if isNew {
			inherit(t, full)
		}
	}
}

func makeFolder(t testing.TB, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return
	}
	makeFolder(t, filepath.Dir(dir))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	inherit(t, dir)
}

// inherit gives a file to the owner of the folder that it lies in.
func inherit(t testing.TB, path string) {
	t.Helper()
	var st syscall.Stat_t
	err := syscall.Stat(filepath.Dir(path), &st)
	if err == nil {
		err = os.Lchown(path, int(st.Uid), int(st.Gid))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TempDir is t.TempDir for what caisson is to reach: it belongs to who starts caisson, and others may enter.
func TempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // it is closed to others
		t.Fatal(err)
	}
	Give(t, Runner(), dir)
	return dir
}

// Give makes folders somebody's, with all that is in them.
func Give(t testing.TB, to User, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, to.UID, to.GID)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
