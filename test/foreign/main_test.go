// Package foreign builds and runs images for another processor than this machine's with the built program, emulated.
package foreign

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// newTree is a tree in a folder of this name with the platform armv7, on the shared store. No two trees have the same
// image, so the first command builds one, but the steps may be cached. %s stands for the base in a Dockerfile.
func newTree(t *testing.T, name string, files map[string]string) harness.Tree {
	t.Helper()
	all := map[string]string{"ci/docker/Dockerfile.build.armv7": "FROM %s\n"}
	for path, text := range files {
		all[path] = text
	}
	for path, text := range all {
		if strings.Contains(path, "Dockerfile.") {
			all[path] = strings.ReplaceAll(text, "%s", harness.Armhf) + fmt.Sprintf("ENV MADE_AT=%d\n", time.Now().UnixNano())
		}
	}
	return harness.Tree{Root: harness.Project(t, name, all), Store: harness.ForeignStore(t)}
}

// contains checks what a command printed.
func contains(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnOrdinaryUserMakesABaseForAForeignProcessor(t *testing.T) {
	harness.UserOnly(t, "the base that it made serves root's tests too")
	index, err := os.ReadFile(harness.ForeignLayout(t) + "/index.json")
	if err != nil {
		t.Fatal(err)
	}
	contains(t, string(index), `"caisson.base.arch": "arm/v7"`)
}
