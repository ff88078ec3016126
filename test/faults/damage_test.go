package faults

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// built makes a store with one image in it, built by a project that is returned, and its record's path.
func built(t testing.TB) (root, store, record string) {
	t.Helper()
	store = harness.ColdStore(t)
	root = harness.Project(t, "damaged", map[string]string{"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo built > /built\n"})
	harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}.Must(t)
	records, err := filepath.Glob(filepath.Join(store, "records", "*.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records: %q %v", records, err)
	}
	return root, store, records[0]
}

func TestADamagedRecordIsMovedAsideAndTheImageRebuilt(t *testing.T) {
	root, store, record := built(t)
	good, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(r map[string]any)) []byte {
		var r map[string]any
		if err := json.Unmarshal(good, &r); err != nil {
			t.Fatal(err)
		}
		change(r)
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type damaged struct {
		name string
		text []byte
		why  string // is said
	}
	for i, damage := range some([]damaged{
		{"cut off", good[:len(good)/2], "damaged"},
		{"of layers that are gone", edit(func(r map[string]any) { r["Lowers"] = []string{"buildkit/no/such/layer"} }), "buildkit/no/such/layer"},
		{"garbage", []byte("\x00\xff\x17garbage{{{"), "damaged"},
		{"empty", nil, "damaged"},
		{"another image's", edit(func(r map[string]any) { r["Key"] = strings.Repeat("0", 64) }), "damaged"},
		{"without layers", edit(func(r map[string]any) { r["Lowers"] = nil }), "damaged"},
		{"of layers outside of the store", edit(func(r map[string]any) { r["Lowers"] = []string{"../../../../etc"} }), "../../../../etc"},
		{"of layers at an absolute path", edit(func(r map[string]any) { r["Lowers"] = []string{"/etc"} }), "/etc"},
		{"without a configuration", edit(func(r map[string]any) { delete(r, "Config") }), "damaged"},
		{"with a configuration that is none", edit(func(r map[string]any) { r["Config"] = "x" }), "damaged"},
	}) {
		t.Run(damage.name, func(t *testing.T) {
			if err := os.WriteFile(record, damage.text, 0o600); err != nil {
				t.Fatal(err)
			}
			r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}.Must(t)
			if r.Stdout != "built\n" {
				t.Errorf("stdout %q", r.Stdout)
			}
			if !strings.Contains(r.Stderr, "building the image") || !strings.Contains(r.Stderr, damage.why) {
				t.Errorf("it does not say why it builds again:\n%s", r.Stderr)
			}
			if aside, _ := filepath.Glob(record + ".damaged-*"); len(aside) != i+1 {
				t.Errorf("moved aside: %q, want %d", aside, i+1)
			}
			if r := (harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}).Must(t); strings.Contains(r.Stderr, "building") {
				t.Errorf("it is built once more:\n%s", r.Stderr)
			}
		})
	}
	harness.Command{Store: store, Args: []string{"clean"}}.Must(t)
	if aside, _ := filepath.Glob(record + ".damaged-*"); len(aside) != 0 {
		t.Errorf("left after clean: %q", aside)
	}
}

func TestADamagedDatabaseIsMovedAsideAndTheImageRebuilt(t *testing.T) {
	root, store, _ := built(t)
	watch(t, store).mustGo(time.Now(), "the builder")
	var databases []string
	err := filepath.WalkDir(filepath.Join(store, "buildkit"), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".db" {
			databases = append(databases, path)
		}
		return err
	})
	if err != nil || len(databases) < 4 {
		t.Fatalf("databases: %q %v", databases, err)
	}
	garbage := []byte(strings.Repeat("\xa5\x00garbage", 16<<10))
	damages := []struct {
		name string
		do   func(path string) error
	}{
		{"garbage", func(path string) error { return overwrite(path, 0, garbage) }},
		{"empty", func(path string) error { return os.Truncate(path, 0) }},
		{"garbage in its middle", func(path string) error { return overwrite(path, 8192, garbage) }},
		{"cut off", func(path string) error { return os.Truncate(path, 4096) }},
	}
	n := 0
	for _, path := range databases {
		for _, damage := range some(damages) {
			n++
			t.Run(filepath.Base(path)+" is "+damage.name, func(t *testing.T) {
				if err := damage.do(path); err != nil {
					t.Fatal(err)
				}
				// The finished image needs no database.
				if r := (harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}).Must(t); r.Stdout != "built\n" {
					t.Errorf("a run on the image that is there: stdout %q", r.Stdout)
				}
				text := fmt.Sprintf("after damage %d\n", n)
				write(t, filepath.Join(root, "ci/docker/Dockerfile.build.more"), "FROM tiny\nRUN echo "+strings.TrimSpace(text)+" > /more\n")
				r := harness.Command{Dir: root, Store: store, Args: []string{"-p", "more", "cat", "/more"}}.Must(t)
				if r.Stdout != text {
					t.Errorf("stdout %q, want %q\n%s", r.Stdout, text, r.Stderr)
				}
				aside, _ := filepath.Glob(filepath.Join(store, "buildkit*.damaged-*"))
				if said := strings.Contains(r.Stderr, "damaged"); said != (len(aside) > 0) {
					t.Errorf("moved aside: %q, but it says:\n%s", aside, r.Stderr)
				}
				for _, dir := range aside {
					if err := os.RemoveAll(dir); err != nil {
						t.Error(err)
					}
				}
				if r := (harness.Command{Dir: root, Store: store, Args: []string{"-p", "tiny", "cat", "/built"}}).Must(t); r.Stdout != "built\n" {
					t.Errorf("afterwards: stdout %q", r.Stdout)
				}
				watch(t, store).mustGo(time.Now(), "the builder")
			})
		}
	}
}

func overwrite(path string, at int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt(b, at)
	return err
}
