package image

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sys/unix"
)

// What BuildKit would send of a context is what a key has to cover.
func TestTheKeyCoversWhatBuildKitSends(t *testing.T) {
	dir := tree(t, map[string]string{
		"a/b/c.txt": "1", "a/b/d.go": "2", "a/x.go": "3", "a/link": "-> b", "build/out.o": "4", "build/keep/y": "5",
		"node_modules/m/package.json": "6", "top.go": "7", "top.txt": "8", ".git/HEAD": "9", "l": "-> a/b/c.txt", "empty/": "/",
		"deep/1/2/3/f.log": "10", "deep/1/2/keep.log": "11", "dl": "-> deep/1", "a b/c d": "12", "ü/é.txt": "13",
	})
	ignores := map[string][]string{
		"nothing ignored":                       nil,
		"a folder":                              {"build"},
		"a folder with a slash":                 {"/build/"},
		"a wildcard":                            {"*.go"},
		"a wildcard at any depth":               {"**/*.go", "**/node_modules"},
		"everything but":                        {"*", "!a/b"},
		"everything but a file at any depth":    {"*", "!**/keep.log"},
		"everything but a wildcard in a folder": {"**", "!a/*.go", "!deep/*/2"},
		"ignored again":                         {"deep", "!deep/1", "deep/1/2/3"},
		"a character class":                     {"[a-b]*"},
		"a double star at the end":              {"build/**", "deep/1/**"},
		"hidden":                                {".*", "!.git/HEAD"},
		"a link":                                {"l", "a/link"},
	}
	sources := map[string][]string{
		"the whole":             {"."},
		"one file":              {"top.go"},
		"a folder":              {"a"},
		"two":                   {"build", "deep/1"},
		"a wildcard":            {"*.go"},
		"a wildcard below":      {"deep/*/*/k*.log"},
		"links":                 {"l", "dl"},
		"through a link":        {"dl/2/keep.log", "a/link/c.txt"},
		"a wildcard over links": {"d*/2", "a/l*"},
		"odd names":             {"a b", "ü/*"},
	}
	for ignoreName, ignore := range ignores {
		for sourceName, paths := range sources {
			t.Run(ignoreName+", "+sourceName, func(t *testing.T) {
				want := sentByBuildKit(t, dir, paths, ignore)
				scan := contextScan{dir: dir, ignore: ignore, cache: t.TempDir() + "/c", now: later}
				for _, p := range paths {
					scan.sources = append(scan.sources, Source{Path: p})
				}
				got, err := scan.run(context.Background())
				check(t, err)
				whole := paths[0] == "."
				var covered []string
				for _, f := range got.files {
					// Below single sources, BuildKit also sends the folders on the way.
					if f.stat.kind() != unix.S_IFDIR || whole {
						covered = append(covered, f.path)
					}
				}
				slices.Sort(covered)
				if diff := cmp.Diff(want, covered); diff != "" {
					t.Errorf("sent (-) and covered (+) differ:\n%s", diff)
				}
			})
		}
	}
}

func sentByBuildKit(t *testing.T, dir string, paths, ignore []string) []string {
	t.Helper()
	var all []string
	options := &fsutil.FilterOpt{ExcludePatterns: ignore, FollowPaths: paths}
	err := fsutil.Walk(context.Background(), dir, options, func(path string, info fs.FileInfo, err error) error {
		if err == nil && (!info.IsDir() || paths[0] == ".") {
			all = append(all, strings.TrimPrefix(path, "/"))
		}
		return err
	})
	check(t, err)
	slices.Sort(all)
	return all
}
