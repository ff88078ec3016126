package view

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/internal/engine"

	"github.com/google/go-cmp/cmp"
)

// newWorktree is a tree "wt" that is a worktree of the repository "origin" beside it, as "git worktree add" lays it out.
func newWorktree(t *testing.T) (root, common string) {
	t.Helper()
	root = newTree(t, "wt")
	makeDir(t, filepath.Join(root, "build"))
	common = makeDir(t, filepath.Join(filepath.Dir(root), "origin", ".git"))
	gitFolder(t, common)
	gitdir := filepath.Join(common, "worktrees", "wt")
	write(t, filepath.Join(gitdir, "gitdir"), filepath.Join(root, ".git")+"\n")
	write(t, filepath.Join(gitdir, "commondir"), "../..\n")
	write(t, filepath.Join(gitdir, "HEAD"), "ref: refs/heads/wt\n")
	write(t, filepath.Join(root, ".git"), "gitdir: "+gitdir+"\n")
	return root, common
}

func gitFolder(t *testing.T, path string) {
	t.Helper()
	write(t, filepath.Join(path, "HEAD"), "ref: refs/heads/main\n")
	makeDir(t, filepath.Join(path, "objects"))
	makeDir(t, filepath.Join(path, "refs"))
}

func TestTheCommonGitFolderOfAWorktreeIsMountedWhereGitLooksForIt(t *testing.T) {
	for name, c := range map[string]struct {
		set    func(t *testing.T, root, common string)
		inside func(common string) string
	}{
		"by its absolute name": {nil, func(common string) string { return common }},
		"by a name through a link": {func(t *testing.T, root, common string) {
			link := filepath.Join(filepath.Dir(root), "link")
			must(t, os.Symlink("origin", link))
			write(t, filepath.Join(root, ".git"), "gitdir: "+link+"/.git/worktrees/wt\n")
		}, func(common string) string {
			return filepath.Join(filepath.Dir(filepath.Dir(common)), "link", ".git")
		}},
		"by a relative name": {func(t *testing.T, root, common string) {
			write(t, filepath.Join(root, ".git"), "gitdir: ../origin/.git/worktrees/wt\n")
			write(t, filepath.Join(common, "worktrees", "wt", "gitdir"), "../../../../wt/.git\n")
		}, func(string) string { return "/work/origin/.git" }},
		"of a bare repository in the tree, by its absolute name": {func(t *testing.T, root, common string) {
			inTree := filepath.Join(root, ".bare")
			must(t, os.Rename(common, inTree))
			write(t, filepath.Join(root, ".git"), "gitdir: "+inTree+"/worktrees/wt\n")
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			root, common := newWorktree(t)
			if c.set != nil {
				c.set(t, root, common)
			}
			if c.inside == nil {
				common = filepath.Join(root, ".bare")
				c.inside = func(common string) string { return common }
			}
			got, err := InPlace(options(root))
			must(t, err)
			want := engine.Mount{Source: common, Destination: c.inside(common)}
			if len(got.Mounts) != 3 || len(got.Notes) != 0 {
				t.Fatalf("%+v", got)
			}
			if diff := cmp.Diff(want, got.Mounts[2]); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

func TestATreeThatNeedsNoOtherGitFolderGetsNone(t *testing.T) {
	for name, set := range map[string]func(t *testing.T, root string){
		"no git":                 func(*testing.T, string) {},
		"a usual repository":     func(t *testing.T, root string) { gitFolder(t, filepath.Join(root, ".git")) },
		"a link to a git folder": func(t *testing.T, root string) { must(t, os.Symlink("/etc", filepath.Join(root, ".git"))) },
		"a git folder elsewhere in the tree": func(t *testing.T, root string) {
			gitFolder(t, filepath.Join(root, "sub", "git"))
			write(t, filepath.Join(root, ".git"), "gitdir: sub/git\n")
		},
	} {
		root := newTree(t, "tree")
		set(t, root)
		got, err := InPlace(options(root))
		must(t, err)
		if len(got.Mounts) != 2 || len(got.Notes) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// hostile are .git files of a worktree that were tampered with, or are none, and words of the note.
var hostile = map[string]struct {
	set  func(t *testing.T, root, common string)
	note string
}{
	"it names a folder that is no git folder": {func(t *testing.T, root, _ string) {
		write(t, filepath.Join(root, ".git"), "gitdir: /etc\n")
	}, "/etc, which is not of a worktree"},
	"it names the git folder of another worktree": {func(t *testing.T, root, common string) {
		write(t, filepath.Join(common, "worktrees", "wt", "gitdir"), filepath.Dir(root)+"/other/.git\n")
	}, "git folder of another worktree"},
	"it names another repository's main folder": {func(t *testing.T, root, common string) {
		write(t, filepath.Join(root, ".git"), "gitdir: "+common+"\n")
	}, "not of a worktree"},
	"its own worktree folder has a common folder elsewhere": {func(t *testing.T, root, common string) {
		write(t, filepath.Join(common, "worktrees", "wt", "commondir"), "/etc\n")
	}, "common git folder elsewhere"},
	"its own worktree folder is below something else": {func(t *testing.T, root, common string) {
		must(t, os.RemoveAll(filepath.Join(common, "objects")))
	}, "is not a git folder (no objects)"},
	"a link for objects": {func(t *testing.T, root, common string) {
		must(t, os.RemoveAll(filepath.Join(common, "objects")))
		must(t, os.Symlink("/etc", filepath.Join(common, "objects")))
	}, "is not a git folder (no objects)"},
	"a common folder by two ways": {func(t *testing.T, root, common string) {
		alias := filepath.Join(root, "x", "worktrees", "alias")
		must(t, os.MkdirAll(filepath.Dir(alias), 0o755))
		must(t, os.Symlink(filepath.Join(common, "worktrees", "wt"), alias))
		write(t, filepath.Join(root, ".git"), "gitdir: "+alias+"\n")
	}, "through a link that the container would not have"},
	"somebody else's repository": {func(t *testing.T, root, common string) {
		must(t, os.Chown(common, 4242, 4242))
	}, "belongs to uid 4242"},
	"it would lie over the run's own folders": {func(t *testing.T, root, common string) {
		must(t, os.Rename(filepath.Dir(common), filepath.Join(filepath.Dir(root), "build")))
		write(t, filepath.Join(root, ".git"), "gitdir: ../build/.git/worktrees/wt\n")
		write(t, filepath.Join(filepath.Dir(root), "build/.git/worktrees/wt/gitdir"), "../../../../wt/.git\n")
	}, "would be /work/build/.git in the container"},
	"a missing folder": {func(t *testing.T, root, _ string) {
		write(t, filepath.Join(root, ".git"), "gitdir: /nowhere/worktrees/x\n")
	}, "cannot be opened"},
	"a submodule": {func(t *testing.T, root, _ string) {
		gitFolder(t, filepath.Join(filepath.Dir(root), ".git", "modules", "wt"))
		write(t, filepath.Join(root, ".git"), "gitdir: ../.git/modules/wt\n")
	}, "a submodule's git folder"},
	"not git's form": {func(t *testing.T, root, _ string) {
		write(t, filepath.Join(root, ".git"), "hello\n")
	}, "does not name a git folder"},
	"endless": {func(t *testing.T, root, _ string) {
		write(t, filepath.Join(root, ".git"), "gitdir: "+strings.Repeat("/x", 1<<20))
	}, "not one of git's"},
	"a pipe for the back-pointer": {func(t *testing.T, root, common string) {
		back := filepath.Join(common, "worktrees", "wt", "gitdir")
		must(t, os.Remove(back))
		must(t, syscall.Mkfifo(back, 0o644))
	}, "not a regular file"},
	"a link for the back-pointer": {func(t *testing.T, root, common string) {
		back := filepath.Join(common, "worktrees", "wt", "gitdir")
		must(t, os.Rename(back, back+"2"))
		must(t, os.Symlink("gitdir2", back))
	}, "not the git folder of a worktree"},
}

func TestAHostileGitFileGivesNothingAway(t *testing.T) {
	for name, c := range hostile {
		t.Run(name, func(t *testing.T) {
			root, common := newWorktree(t)
			c.set(t, root, common)
			got, err := InPlace(options(root))
			must(t, err)
			if len(got.Mounts) != 2 || len(got.Notes) != 1 || !strings.Contains(got.Notes[0], c.note) {
				t.Fatalf("%+v, want a note with %q", got, c.note)
			}
		})
	}
}
