package input

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// edited is a Dockerfile that uses one of two files of its context, and the caller's uid.
const edited = "FROM tiny\nARG USER_ID\nCOPY install/ /install/\nRUN echo \"$USER_ID\" > /uid; cat /proc/sys/kernel/random/uuid > /stamp\n"

// editedTree is a tree whose image was just built, in a store that does not know it yet.
func editedTree(t *testing.T, store string) tree {
	t.Helper()
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": edited + "# " + t.Name() + "\n", // an image of this test alone
		"ci/docker/install/tools.sh":      "echo one\n",
		"ci/docker/unused.txt":            "one\n",
	})
	tr.Store = store
	says(t, tr.Must(t, "-p", "tiny", "-b").Stderr, "caisson: tiny: building the image: ", "caisson: tiny: image democi/build.tiny built in ")
	tr.upToDate(t)
	return tr
}

// upToDate checks that the image is not built.
func (tr tree) upToDate(t *testing.T) {
	t.Helper()
	if got, want := tr.Must(t, "-p", "tiny", "-b").Stderr, "caisson: tiny: image democi/build.tiny is up to date\n"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

// rebuilt checks that the image is built for this reason, and then not again.
func (tr tree) rebuilt(t *testing.T, reason string) {
	t.Helper()
	first, _, _ := strings.Cut(tr.Must(t, "-p", "tiny", "-b").Stderr, "\n")
	if want := "caisson: tiny: building the image: " + reason; first != want {
		t.Errorf("it says %q, want %q", first, want)
	}
	tr.upToDate(t)
}

func TestAnImageIsRebuiltWhenWhatItIsMadeOfChanges(t *testing.T) {
	store := harness.ColdStore(t)
	for _, c := range []struct {
		name, reason string
		edit         func(t *testing.T, tr *tree)
	}{
		{"an edited file of the context", "context file install/tools.sh changed", func(t *testing.T, tr *tree) {
			tr.Write(t, map[string]string{"ci/docker/install/tools.sh": "echo two\n"})
		}},
		{"an edited file of the same size and time", "context file install/tools.sh changed", func(t *testing.T, tr *tree) {
			path := filepath.Join(tr.Root, "ci/docker/install/tools.sh")
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			tr.Write(t, map[string]string{"ci/docker/install/tools.sh": "echo two\n"})
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
		}},
		{"a new file of the context", "context file install/more.sh added", func(t *testing.T, tr *tree) {
			tr.Write(t, map[string]string{"ci/docker/install/more.sh": ""})
		}},
		{"a file that was removed", "context file install/tools.sh removed", func(t *testing.T, tr *tree) {
			if err := os.Rename(filepath.Join(tr.Root, "ci/docker/install/tools.sh"), filepath.Join(tr.Root, "tools.sh")); err != nil {
				t.Fatal(err)
			}
		}},
		{"other permissions of a file", "permissions of context file install/tools.sh changed", func(t *testing.T, tr *tree) {
			if err := os.Chmod(filepath.Join(tr.Root, "ci/docker/install/tools.sh"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"an edited Dockerfile", "Dockerfile changed", func(t *testing.T, tr *tree) {
			tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.tiny": edited + "ENV A=1\n"})
		}},
		{"another caller, whose uid is a build argument", "build argument USER_ID changed (was 0, is 54321)", func(t *testing.T, tr *tree) {
			harness.RootOnly(t, "two users have two stores")
			*tr = tr.owned(t)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := editedTree(t, store)
			c.edit(t, &tr)
			tr.rebuilt(t, c.reason)
		})
	}
}

func TestAnImageIsNotRebuiltWhenWhatItIsMadeOfStays(t *testing.T) {
	tr := editedTree(t, harness.ColdStore(t))
	stamp := tr.Must(t, "-p", "tiny", "cat", "/stamp").Stdout
	for _, c := range []struct {
		name string
		edit func(path func(string) string) error
	}{
		{"a file was touched", func(path func(string) string) error {
			return os.Chtimes(path("install/tools.sh"), time.Now(), time.Now().Add(-time.Hour))
		}},
		{"a file was written anew with the same content", func(path func(string) string) error {
			if err := os.WriteFile(path("new"), []byte("echo one\n"), 0o755); err != nil {
				return err
			}
			return os.Rename(path("new"), path("install/tools.sh"))
		}},
		{"a file that the Dockerfile does not use was edited", func(path func(string) string) error {
			return os.WriteFile(path("unused.txt"), []byte("two\n"), 0o644)
		}},
		{"a file beside the context appeared", func(path func(string) string) error {
			return os.WriteFile(path("../main.c"), nil, 0o644)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.edit(func(name string) string { return filepath.Join(tr.Root, "ci/docker", name) })
			if err != nil {
				t.Fatal(err)
			}
			tr.upToDate(t)
		})
	}
	t.Run("back to what it was before an edit", func(t *testing.T) {
		tr.Write(t, map[string]string{"ci/docker/install/tools.sh": "echo two\n"})
		tr.rebuilt(t, "context file install/tools.sh changed")
		tr.Write(t, map[string]string{"ci/docker/install/tools.sh": "echo one\n"})
		tr.upToDate(t)
	})
	if got := tr.Must(t, "-p", "tiny", "cat", "/stamp").Stdout; got != stamp {
		t.Error("the step was run again")
	}
}

func TestNoCacheRunsEveryStepAgain(t *testing.T) {
	tr := editedTree(t, harness.ColdStore(t))
	stamp := tr.Must(t, "-p", "tiny", "cat", "/stamp").Stdout
	r := tr.Must(t, "-p", "tiny", "--no-cache", "cat", "/stamp")
	says(t, r.Stderr, "caisson: tiny: building the image: --no-cache\n")
	if r.Stdout == stamp {
		t.Error("the step was not run again")
	}
	if got := tr.Must(t, "-p", "tiny", "cat", "/stamp").Stdout; got != r.Stdout {
		t.Error("the next run has another image")
	}
}
