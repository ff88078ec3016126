package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"caisson/internal/project/values"
)

var platforms = []string{"arm64", "armv7"}

func TestWhatAFileMaySay(t *testing.T) {
	armv7 := func(s Settings) Config { return Config{Platforms: map[string]Settings{"armv7": s}} }
	for _, test := range []struct {
		name, text string
		want       Config
	}{
		{"nothing", "", Config{}},
		{"comments only", "# later\n\n", Config{}},
		{"an empty document", "---\n", Config{}},
		{"sections with nothing in them", "defaults:\nplatforms:\n", Config{Platforms: map[string]Settings{}}},
		{"a platform with nothing in it", "platforms:\n  armv7:\n", armv7(Settings{})},
		{"everything", `project: tensor
defaults:
  network: none
  secrets:
    - id: token
      src: path/to/token
    - {id: key, env: KEY, required: false}
platforms:
  armv7:
    cpu: cortex-a7
    network: private
    memory: 2GB
    cpus: 1.5
    pids: 500
`, Config{Project: "tensor",
			Defaults: Settings{Network: "none", Secrets: []values.Secret{{ID: "token", Path: "path/to/token"},
				{ID: "key", Env: "KEY", Optional: true}}},
			Platforms: map[string]Settings{"armv7": {CPU: "cortex-a7", Network: "private", Memory: 2 << 30, CPUs: 1.5, PIDs: 500}}}},
		{"a byte order mark and line ends of Windows", "\ufeffproject: a\r\ndefaults:\r\n  pids: 5\r\n",
			Config{Project: "a", Defaults: Settings{PIDs: 5}}},
		{"tabs where YAML takes them", "project:\ta\t# why\n", Config{Project: "a"}},
		{"numbers are words where a word is wanted", "project: 1.10\ndefaults: {cpu: 486, cpus: '0.5'}\n",
			Config{Project: "1.10", Defaults: Settings{CPU: "486", CPUs: 0.5}}},
		{"an anchor and its alias", "defaults: {cpu: &c max}\nplatforms: {armv7: {cpu: *c}}\n",
			Config{Defaults: Settings{CPU: "max"}, Platforms: map[string]Settings{"armv7": {CPU: "max"}}}},
		{"a merge, in which the own key wins", "platforms:\n  armv7: &a {cpu: max, pids: 5}\n  arm64: {<<: *a, pids: 6}\n",
			Config{Platforms: map[string]Settings{"armv7": {CPU: "max", PIDs: 5}, "arm64": {CPU: "max", PIDs: 6}}}},
		{"of merges in a list the first wins", "defaults: &d {cpu: a, pids: 5}\nplatforms:\n  armv7: &a {cpu: b, memory: 6m}\n" +
			"  arm64: {<<: [*a, *d]}\n", Config{Defaults: Settings{CPU: "a", PIDs: 5}, Platforms: map[string]Settings{
			"armv7": {CPU: "b", Memory: 6 << 20}, "arm64": {CPU: "b", Memory: 6 << 20, PIDs: 5}}}},
		{"a number of bytes", "platforms: {armv7: {memory: 8388608}}", armv7(Settings{Memory: 8 << 20})},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse("caisson.yaml", []byte(test.text), platforms)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPlatformOverTheDefaults(t *testing.T) {
	c := Config{
		Defaults: Settings{CPU: "max", Network: "none", PIDs: 5, Secrets: []values.Secret{{ID: "a", Env: "A"}, {ID: "b", Env: "B"}}},
		Platforms: map[string]Settings{"armv7": {Network: "host", Memory: 6 << 20, CPUs: 2,
			Secrets: []values.Secret{{ID: "b", Path: "b"}}}},
	}
	want := Settings{CPU: "max", Network: "host", Memory: 6 << 20, CPUs: 2, PIDs: 5,
		Secrets: []values.Secret{{ID: "a", Env: "A"}, {ID: "b", Path: "b"}}}
	if diff := cmp.Diff(want, c.Platform("armv7")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(c.Defaults, c.Platform("arm64")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Settings{}, Config{}.Platform("arm64")); diff != "" {
		t.Error(diff)
	}
}

func TestTextThatGrowsOrNestsTakesNoTime(t *testing.T) {
	bomb := "defaults:\n  cpu: &a0 {k: x}\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("  k%d: &a%d {<<: [%s*a%d]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	bomb += "  <<: *a29\n"
	many := "defaults: {secrets: &s [" + strings.Repeat("[],", 20000) + "]}\nplatforms:\n"
	for i := range 5000 {
		many += fmt.Sprintf("  p%d: {secrets: *s}\n", i)
	}
	for _, test := range []struct{ name, text, says string }{
		{"merges of merges", bomb, "aliases make the file too large; repeat less with * and <<"},
		{"a list that many name", many, "defaults.secrets[0] is a mapping, not a list"},
		{"brackets", "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), `no key "a" at the top of the file`},
		{"brackets that are not closed", strings.Repeat("[", 20000), "max depth of 10000; nest less"},
		{"many errors", strings.Repeat("x: 1\n", 20000), "… and 19975 more"},
		{"a large file", strings.Repeat("#", longest+1), "caisson.yaml:1:1: the file has more than 262144 bytes; say less in it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("caisson.yaml", []byte(test.text), platforms)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%.500v", err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestErrorsAreFoundOneByOne(t *testing.T) {
	_, err := Parse("caisson.yaml", []byte("frob: 1\nproject: []\n"), platforms)
	all, ok := errors.AsType[Errors](err)
	if !ok || len(all) != 2 {
		t.Fatalf("%T %v", err, err)
	}
	first, ok := errors.AsType[Error](err)
	want := Error{File: "caisson.yaml", Line: 1, Column: 1, Reason: `no key "frob" at the top of the file`,
		Fix: "the keys are project, defaults, platforms"}
	if !ok || first != want {
		t.Errorf("%+v", first)
	}
}

func TestReadAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "caisson.yaml")
	if _, err := Read(path, "name", platforms); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("project: a\nx: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, "name", platforms); err == nil || !strings.HasPrefix(err.Error(), "name:2:1: ") {
		t.Errorf("%v", err)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	for _, test := range refused {
		f.Add([]byte(test.text))
	}
	for _, text := range []string{"", "---\n", "project: a\ndefaults: &d {cpu: a}\nplatforms: {armv7: {<<: *d}}\n", "\ufeff#\n---\n...\n",
		"a: &a [*a]\n", "? &a\n: *a\n", "defaults: {secrets: [{id: a, src: b, required: no}]}", "%TAG ! x\n---\na\n", "a: |+\n\n\t",
		"\u0085a: {\u2028", "- #\n -\n#"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := Parse("caisson.yaml", text, platforms)
		if err == nil {
			for name, s := range c.Platforms {
				if s.Memory < 0 || s.CPUs < 0 || s.PIDs < 0 {
					t.Errorf("%s: %+v", name, s)
				}
			}
			return
		}
		all, ok := errors.AsType[Errors](err)
		if !ok || len(all) == 0 {
			t.Fatalf("%T", err)
		}
		for i, e := range all {
			if e.Line < 1 || e.Column < 1 || e.Reason == "" || e.Fix == "" {
				t.Errorf("%+v", e)
			}
			if i > 0 && (e.Line < all[i-1].Line || e.Line == all[i-1].Line && e.Column < all[i-1].Column) {
				t.Errorf("%v is behind %v", e, all[i-1])
			}
		}
	})
}
