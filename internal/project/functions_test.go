package project

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), FunctionsFile)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFunctionsOfAFile(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []string
		complete   bool
	}{
		{"every form of definition", "a() { :; }\nb () (:)\nfunction c { :; }\nfunction d() { :; }\ne()\n{\n:\n}\n\"$@\"\n",
			[]string{"a", "b", "c", "d", "e"}, true},
		{"names that only bash allows", "build_test.arm_qemu() { :; }\nbuild-x() { :; }\na:b() { :; }\nö() { :; }\n",
			[]string{"a:b", "build-x", "build_test.arm_qemu", "ö"}, true},
		{"in conditions, functions and subshells", "if true; then a() { b() { :; }; }; fi\n( c() { :; }; \"$@\" )\n",
			[]string{"a", "b", "c"}, true},
		{"not in here-documents, strings and comments", "a() { cat <<E\nno() { :; }\nE\n}\nx='\nno2() { :; }'\n# no3() {\n",
			[]string{"a"}, true},
		{"defined twice is one", "a() { :; }\na() { :; }\n", []string{"a"}, true},
		{"an empty file", "", nil, true},
		{"a file that is read at the start may define more", ". ./lib.sh\na() { :; }\n", []string{"a"}, false},
		{"also by a function that is called at the start", "i() { source \"$d/lib\"; }\na() { i; }\na\n",
			[]string{"a", "i"}, false},
		{"also under another builtin", "builtin eval \"$x\"\n", nil, false},
		{"what a later function reads comes too late", "a() { . /opt/env; make; }\n\"$@\"\n", []string{"a"}, true},
		{"functions that call each other end the search", "a() { b; }\nb() { a; }\na\n", []string{"a", "b"}, true},
		{"text that is not bash", "a() {\n:\n}\nfunction b {\n  c () {\n} } ) fi\narr=()\n", []string{"a", "b", "c"}, false},
		{"an archive behind the script", "#!/bin/bash\na() { :; }\n\"$@\"; exit\n\x00\x01)(\xff`\n", []string{"a"}, false},
		{"another language", "#!/usr/bin/env -S python3 -u\ndef f():\n  pass\n", nil, false},
		{"a shell by way of env", "#!/usr/bin/env bash\na() { :; }\n", []string{"a"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, err := Functions(script(t, test.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			got = append(got, set.Names()...)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if set.Complete() != test.complete {
				t.Errorf("complete %v: syntax %v, more %q", set.Complete(), set.SyntaxError, set.More)
			}
			for _, name := range test.want {
				if !set.Has(name) {
					t.Errorf("has no %s", name)
				}
			}
			if set.Has("no") {
				t.Error("has what it has not")
			}
		})
	}
}

func TestBashKnowsTheSameFunctions(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatalf("this test needs bash: %v", err)
	}
	path := script(t, "set +e\na() { :; }\nfunction b { cat <<'E'\nx() {\nE\n}\nfunction c-d.e() (\n:\n)\n[[ a =~ ^(b|c)$ ]]\n"+
		"f() { local -A m=([k]=\"${v:-$(echo ')')}\"); ((x++)); }\nfor ((i=0;i<2;i++)); do :; done\ncase x in (y) ;; z) ;; esac\n")
	out, err := exec.Command(bash, "--norc", "--noprofile", "-c", `. "$1"; compgen -A function`, "bash", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	set, err := Functions(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Fields(string(out)), set.Names()); diff != "" {
		t.Error(diff)
	}
	if set.SyntaxError != nil {
		t.Error(set.SyntaxError)
	}
}

func TestFunctionsOfNoFile(t *testing.T) {
	_, err := Functions(t.TempDir())
	wantWords(t, err, "not a regular file")
	_, err = Functions(filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestCheckFunctions(t *testing.T) {
	const good = "#!/bin/bash\nbuild_armv7() { make; }\n\"$@\"\n"
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		platform   string
		words      []string // none: it passes
	}{
		{"a function that is there", good, 0o755, "armv7", nil},
		{"a function that is not", good, 0o755, "armv8", []string{"no function build_armv8 in", "nearest: build_armv7",
			"caisson -p armv8 COMMAND"}},
		{"a file that is not executable", good, 0o644, "armv7", []string{"not executable", "chmod +x '"}},
		{"a file that may define more", ". ./lib\n", 0o755, "armv7", nil},
		{"a file that only bash understands", "build_x() { :; }\n)\n", 0o755, "armv7", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, "a b/.git/", "a b/docker/Dockerfile.build.armv7", "a b/docker/Dockerfile.build.armv8")
			path := filepath.Join(root, "a b/docker", FunctionsFile)
			if err := os.WriteFile(path, []byte(test.text), test.mode); err != nil {
				t.Fatal(err)
			}
			p := load(t, filepath.Join(root, "a b"))
			pl, err := p.Platform(test.platform)
			if err != nil {
				t.Fatal(err)
			}
			err = CheckFunctions(p, pl)
			if test.words == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantWords(t, err, test.words...)
			var functionsErr *FunctionsError
			if !errors.As(err, &functionsErr) || functionsErr.Path != path {
				t.Errorf("%#v is not a *FunctionsError about %s", err, path)
			}
		})
	}
}

func TestCheckFunctionsWithoutAUsableFile(t *testing.T) {
	for _, test := range []struct {
		name, path string
		words      []string
	}{
		{"no file", "", []string{"no functions file, expected at", "docker/runtime_functions.sh", "create it", "build_x"}},
		{"a folder", "docker/runtime_functions.sh/", []string{"is a folder"}},
		{"a dead link", "docker/runtime_functions.sh -> nowhere", []string{"no functions file"}},
		{"a link to a file outside of the tree", "docker/runtime_functions.sh -> ../../outside.sh",
			[]string{"outside.sh, which is not in the container"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, "outside.sh", "p/.git/", "p/docker/Dockerfile.build.x")
			if test.path != "" {
				grow(t, filepath.Join(root, "p"), test.path)
			}
			p := load(t, filepath.Join(root, "p"))
			wantWords(t, CheckFunctions(p, p.Platforms[0]), test.words...)
		})
	}
}

func TestALinkWithinTheTreeIsAFunctionsFile(t *testing.T) {
	root := tree(t, ".git/", "docker/Dockerfile.build.x", "docker/runtime_functions.sh -> ../tools/f.sh", "tools/")
	if err := os.WriteFile(filepath.Join(root, "tools/f.sh"), []byte("build_x() { :; }\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := load(t, root)
	if p.Functions != "docker/runtime_functions.sh" {
		t.Errorf("functions %q", p.Functions)
	}
	if err := CheckFunctions(p, p.Platforms[0]); err != nil {
		t.Error(err)
	}
}

func FuzzFunctionsAcceptsEveryText(f *testing.F) {
	f.Add([]byte("a() { :; }\n"))
	f.Add([]byte("#!\n\x00((<<<$((`"))
	f.Add([]byte("function \nfunction a\n\\\n()"))
	path := filepath.Join(f.TempDir(), "f")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		set, err := Functions(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range set.Names() {
			if name == "" || !set.Has(name) {
				t.Errorf("name %q", name)
			}
		}
	})
}

// BenchmarkFunctions reads a file of the size of a large project's: 1,500 lines.
func BenchmarkFunctions(b *testing.B) {
	var text strings.Builder
	text.WriteString("#!/bin/bash\nset -ex\n")
	for i := range 150 {
		fmt.Fprintf(&text, "build_platform_%d() {\n    set -ex\n    cd /work/build\n    cmake \\\n        -DUSE_CUDA=OFF \\\n"+
			"        -DCMAKE_BUILD_TYPE=\"${BUILD_TYPE:-Release}\" \\\n        -G Ninja /work/project\n    ninja -v\n"+
			"    if [[ -n \"$X\" ]]; then report %d; fi\n}\n", i, i)
	}
	text.WriteString("\"$@\"\n")
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text.String()), 0o755); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		set, err := Functions(path)
		if err != nil || !set.Has("build_platform_149") {
			b.Fatal(err)
		}
	}
}
