package image

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheReasonNamesWhatChanged(t *testing.T) {
	const name = "projectci/build.x"
	remove := func(path string) func(*testing.T, *KeyInput) {
		return func(t *testing.T, in *KeyInput) { check(t, os.RemoveAll(filepath.Join(in.ContextDir, path))) }
	}
	edit := func(path, content string) func(*testing.T, *KeyInput) {
		return func(t *testing.T, in *KeyInput) { put(t, filepath.Join(in.ContextDir, path), content) }
	}
	set := func(f func(*KeyInput)) func(*testing.T, *KeyInput) {
		return func(_ *testing.T, in *KeyInput) { f(in) }
	}
	for _, test := range []struct {
		name   string
		change func(*testing.T, *KeyInput)
		want   string
	}{
		{"nothing", set(func(*KeyInput) {}), "image was removed from the store"},
		{"a file", edit("install/deps.sh", "other"), "context file install/deps.sh changed"},
		{"a new file", edit("install/new.sh", "x"), "context file install/new.sh added"},
		{"a file that is gone", remove("install/deps.sh"), "context file install/deps.sh removed"},
		{"permissions", set(func(in *KeyInput) { _ = os.Chmod(filepath.Join(in.ContextDir, "install/a"), 0o755) }), "permissions of context file install/a changed"},
		{"four files", func(t *testing.T, in *KeyInput) {
			for _, path := range []string{"install/a", "install/b", "install/c", "install/deps.sh"} {
				put(t, filepath.Join(in.ContextDir, path), "edited")
			}
		}, "context file install/a changed and 3 more"},
		{"a new folder", edit("install/more/x", "x"), "context file install/more/x added and 1 more"},
		{"a name with a newline", edit("install/new\nline", "x"), `context file "install/new\nline" added`},
		{"an argument", set(func(in *KeyInput) { in.Args = map[string]string{"USER_ID": "1001"} }), "build argument USER_ID changed (was 1000, is 1001)"},
		{"an argument that is not given", set(func(in *KeyInput) { in.Args = nil }), "build argument USER_ID removed (was 1000)"},
		{"a new argument", set(func(in *KeyInput) { in.Args = map[string]string{"USER_ID": "1000", "OTHER": ""} }), `build argument OTHER added (is "")`},
		{"the Dockerfile", set(func(in *KeyInput) { in.Text = []byte("FROM x") }), "Dockerfile changed"},
		{"a base", set(func(in *KeyInput) { in.Bases = map[string]string{"debian:bookworm": "sha256:2"} }), "base debian:bookworm changed"},
		{"another base", set(func(in *KeyInput) { in.Bases = map[string]string{"debian:trixie": "sha256:2"} }), "base debian:bookworm removed and 1 more"},
		{"the target", set(func(in *KeyInput) { in.Target = "test" }), "target changed (was the last stage, is test)"},
		{"the platform", set(func(in *KeyInput) { in.Platform = "linux/arm64" }), "platform changed (was linux/amd64, is linux/arm64)"},
		{"another version of an emulator", set(func(in *KeyInput) { in.Emulators = []string{"arm qemu 7.2.2 sha256:2"} }), "emulator of arm changed (was qemu 7.2.1, is qemu 7.2.2)"},
		{"another build of an emulator", set(func(in *KeyInput) { in.Emulators = []string{"arm qemu 7.2.1 sha256:2"} }), "emulator of arm changed (another build of qemu 7.2.1)"},
		{"one more emulator", set(func(in *KeyInput) { in.Emulators = append(in.Emulators, "s390x qemu 7.2.1 sha256:3") }), "emulator of s390x added (is qemu 7.2.1)"},
		{"an emulator less", set(func(in *KeyInput) { in.Emulators = nil }), "emulator of arm not used any more (was qemu 7.2.1)"},
		{"the emulated processor", set(func(in *KeyInput) { in.CPU = "cortex-a7" }), `cpu of the emulator changed (was "", is cortex-a7)`},
		{"the Dockerfile and a file", func(t *testing.T, in *KeyInput) {
			in.Text = []byte("FROM x")
			put(t, filepath.Join(in.ContextDir, "install/a"), "edited")
		}, "Dockerfile changed and 1 more"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, map[string]string{"install/deps.sh": "x", "install/a": "1", "install/b": "2", "install/c": "3"})
			in := inputOf(t, dir, "install")
			in.Plan.Stages[0].Args = []Arg{{Name: "USER_ID"}, {Name: "OTHER"}}
			in.Args = map[string]string{"USER_ID": "1000"}
			in.Bases = map[string]string{"debian:bookworm": "sha256:1"}
			in.Emulators = []string{"arm qemu 7.2.1 sha256:1"}
			keyOf(t, in)
			before := keyOf(t, in) // the files of this one come from the stat cache
			check(t, SaveManifest(in.CacheDir, name, before))
			test.change(t, &in)
			after := keyOf(t, in)
			if got := whyOf(t, in, name, after); got != test.want {
				t.Errorf("the reason is %q, want %q", got, test.want)
			}
			check(t, SaveManifest(in.CacheDir, name, after))
			if got := whyOf(t, in, name, after); got != "image was removed from the store" {
				t.Errorf("after the build the reason is %q", got)
			}
		})
	}
}

func whyOf(t *testing.T, in KeyInput, name string, k Key) string {
	t.Helper()
	reason, err := Why(in.CacheDir, name, k)
	check(t, err)
	return reason.String()
}

func TestTheReasonOfAFirstBuildAndOfASpoiledManifest(t *testing.T) {
	in := inputOf(t, tree(t, map[string]string{"a": "1"}), ".")
	k := keyOf(t, in)
	if got := whyOf(t, in, "x/y", k); got != "first build of this image" {
		t.Errorf("the first reason is %q", got)
	}
	check(t, SaveManifest(in.CacheDir, "x/y", k))
	if got := whyOf(t, in, "x/other", k); got != "first build of this image" {
		t.Errorf("the first reason of another image is %q", got)
	}
	check(t, os.WriteFile(manifestPath(in.CacheDir, "x/y"), []byte(`{"image": "x`), 0o600))
	if got := whyOf(t, in, "x/y", k); !strings.Contains(got, "not readable") {
		t.Errorf("the reason with a spoiled manifest is %q", got)
	}
}

func TestFilesThatAreNotKnownAnyMoreAreNotNamed(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1"})
	in := inputOf(t, dir, ".")
	keyOf(t, in)
	k := keyOf(t, in)
	check(t, os.RemoveAll(filepath.Join(in.CacheDir, "contexts")))
	check(t, SaveManifest(in.CacheDir, "x", k))
	put(t, filepath.Join(dir, "a"), "other")
	if got := whyOf(t, in, "x", keyOf(t, in)); got != "context files changed" {
		t.Errorf("the reason is %q", got)
	}
}
