package harness

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// Project makes a source tree of the given name with these files and returns its root. Where the files do not say
// otherwise there is a platform "tiny" on the small base, with a functions file whose build_tiny writes build/out. A name
// that ends in ".sh" is executable.
func Project(t testing.TB, name string, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), name)
	all := map[string]string{
		".demo_root":                      "",
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\n",
		"ci/docker/runtime_functions.sh":  "#!/bin/sh\nset -e\nbuild_tiny() { echo built > /work/build/out; }\n\"$@\"\n",
	}
	maps.Copy(all, files)
	Write(t, root, all)
	return root
}

// Write writes files below a folder.
func Write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if filepath.Ext(path) == ".sh" {
			mode = 0o755
		}
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
}
