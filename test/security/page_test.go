package security

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"caisson/test/harness"
)

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// TestThePageNamesTestsThatExist holds docs/security.md and the tests together: each test that it names is in the tree, and
// each one here is named.
func TestThePageNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(harness.Root(), "docs", "security.md"))
	must(t, err)
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1) {
		named[name] = true
	}
	here, all := map[string]bool{}, map[string]bool{}
	must(t, filepath.WalkDir(harness.Root(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && path != harness.Root() {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
			if filepath.Base(filepath.Dir(path)) == "security" && m[1] != "TestMain" {
				here[m[1]] = true
			}
		}
		return err
	}))
	delete(here, t.Name())
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !all[name] {
			t.Errorf("docs/security.md names %s, which does not exist", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(here)) {
		if !named[name] {
			t.Errorf("docs/security.md does not name %s", name)
		}
	}
}
