package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes files below a fresh folder and returns it without symbolic links. A path that ends in / is a folder, one
// of the form "link -> target" a symbolic link.
func tree(t *testing.T, paths ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	grow(t, root, paths...)
	return root
}

func grow(t *testing.T, root string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		link, target, isLink := strings.Cut(path, " -> ")
		full := filepath.Join(root, link)
		var err error
		if mkErr := os.MkdirAll(filepath.Dir(full), 0o755); mkErr != nil {
			t.Fatal(mkErr)
		}
		switch {
		case isLink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(path, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			text := "FROM scratch\n"
			if filepath.Base(path) == ConfigFile {
				text = ""
			}
			err = os.WriteFile(full, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func load(t *testing.T, dir string) *Project {
	t.Helper()
	p, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func names(p *Project) []string {
	var names []string
	for _, pl := range p.Platforms {
		names = append(names, pl.Name)
	}
	return names
}

func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}

func TestLoadDescribesTheWholeProject(t *testing.T) {
	root := tree(t, ".mxnet_root", "ci/docker/Dockerfile.build.b", "ci/docker/Dockerfile.build.a",
		"ci/docker/runtime_functions.sh", "src/deep/")
	dir := filepath.Join(root, "ci/docker")
	want := &Project{
		Root: root, Name: "mxnet", DockerDir: dir, Functions: "ci/docker/runtime_functions.sh",
		Platforms: []Platform{
			{Name: "a", Dockerfile: filepath.Join(dir, "Dockerfile.build.a"), Context: dir},
			{Name: "b", Dockerfile: filepath.Join(dir, "Dockerfile.build.b"), Context: dir},
		},
		RootRule: "nearest folder with a .<name>_root file", NameRule: "file .mxnet_root",
	}
	got := load(t, filepath.Join(root, "src/deep"))
	got.unusable = nil
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Project{})); diff != "" {
		t.Error(diff)
	}
}

func TestRootAndName(t *testing.T) {
	const docker = "ci/docker/Dockerfile.build.x"
	for _, test := range []struct {
		name             string
		paths            []string
		start, root      string // below the tree
		wantName, wantBy string
	}{
		{"a git folder is a root, named like its folder", []string{"p/.git/", "p/" + docker, "p/src/"}, "p/src", "p",
			"p", "git root"},
		{"a .git file of a worktree is a root", []string{"p/.git", "p/" + docker}, "p", "p", "p", "git root"},
		{"a marker wins over a nearer git root", []string{".big_root", docker, "3rdparty/lib/.git"}, "3rdparty/lib", "",
			"big", "nearest folder with a .<name>_root file"},
		{"the nearest marker wins", []string{".out_root", docker, "p/.in_root", "p/" + docker}, "p", "p", "in",
			"nearest folder with a .<name>_root file"},
		{"caisson.yaml wins over a nearer marker", []string{"p/caisson.yaml", "p/" + docker, "p/sub/.s_root"}, "p/sub",
			"p", "p", "nearest folder with caisson.yaml"},
		{"a marker beside caisson.yaml names the project", []string{"p/caisson.yaml", "p/.n_root", "p/" + docker}, "p",
			"p", "n", "nearest folder with caisson.yaml"},
		{"a folder with the name of a marker is none", []string{"p/.git/", "p/.cache_root/", "p/" + docker}, "p", "p",
			"p", "git root"},
		{"a folder named caisson.yaml marks nothing", []string{"p/.git/", "p/sub/caisson.yaml/", "p/" + docker}, "p/sub",
			"p", "p", "git root"},
		{"of several markers the first in order counts", []string{"p/.b_root", "p/.a_root", "p/" + docker}, "p", "p",
			"a", "nearest folder with a .<name>_root file"},
		{"a marker that would leave /work is none", []string{"p/.git/", "p/..._root", "p/.._root", "p/._root",
			"p/" + docker}, "p", "p", "p", "git root"},
		{"a name keeps capitals and dots", []string{"p/.My.Net-2_root", "p/" + docker}, "p", "p", "My.Net-2",
			"nearest folder with a .<name>_root file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := tree(t, test.paths...)
			p := load(t, filepath.Join(root, test.start))
			if want := filepath.Join(root, test.root); p.Root != want {
				t.Errorf("root %q, want %q", p.Root, want)
			}
			if p.Name != test.wantName || p.RootRule != test.wantBy {
				t.Errorf("name %q by %q, want %q by %q", p.Name, p.RootRule, test.wantName, test.wantBy)
			}
		})
	}
}

func TestOddFolderNamesAreKeptExactly(t *testing.T) {
	for _, odd := range []string{"with space", `quo"te's`, "a:b", "größe", "line\nbreak", "-dash", "$HOME", "a\\b", "日本"} {
		t.Run(odd, func(t *testing.T) {
			root := tree(t, odd+"/.git/", odd+"/docker/Dockerfile.build.x")
			p := load(t, filepath.Join(root, odd))
			if p.Name != odd || p.Root != filepath.Join(root, odd) {
				t.Errorf("name %q root %q", p.Name, p.Root)
			}
			_, err := p.Platform("y")
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line: %q", err)
			}
		})
	}
}

func TestATreeInsideASymlinkHasItsRealRoot(t *testing.T) {
	root := tree(t, "real/p/.git/", "real/p/docker/Dockerfile.build.x", "real/p/src/", "link -> real/p")
	p := load(t, filepath.Join(root, "link", "src"))
	if want := filepath.Join(root, "real/p"); p.Root != want || p.Name != "p" {
		t.Errorf("root %q name %q, want %q", p.Root, p.Name, want)
	}
}

func TestTheWorkingFolderIsTheDefaultStart(t *testing.T) {
	root := tree(t, ".n_root", "docker/Dockerfile.build.x", "sub/")
	t.Chdir(filepath.Join(root, "sub"))
	if p := load(t, ""); p.Root != root {
		t.Errorf("root %q, want %q", p.Root, root)
	}
}

func TestFoldersThatAreNoProject(t *testing.T) {
	root := tree(t, "file", "empty/", "p/.git/", "bad/.git/", "bad/ci/docker/Dockerfile.build.x/",
		"bad/docker/Dockerfile.build.y -> nowhere", "odd/.git/", "odd/ci/docker")
	for _, test := range []struct {
		name, dir string
		words     []string
	}{
		{"a folder outside of any", "empty", []string{"no project in", "caisson.yaml", "_root", ".git", "-C DIR"}},
		{"a folder that does not exist", "nope", []string{"nope", "no such file or directory"}},
		{"a file", "file", []string{"file: it is not a folder"}},
		{"a project without Dockerfiles", "p", []string{"neither ci/docker nor docker",
			filepath.Join(root, "p/ci/docker/Dockerfile.build.<platform>"), "build_<platform> in runtime_functions.sh"}},
		{"a project with nothing usable", "bad", []string{"ci/docker: Dockerfile.build.x is a folder",
			"docker: Dockerfile.build.y is a link that leads nowhere"}},
		{"a file in the place of the folder", "odd", []string{"neither ci/docker nor docker"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(filepath.Join(root, test.dir))
			wantWords(t, err, test.words...)
		})
	}
	_, err := Load(filepath.Join(root, "empty"))
	if noProject := (*NoProjectError)(nil); !errors.As(err, &noProject) {
		t.Errorf("%T is not a *NoProjectError", err)
	}
	_, err = Load(filepath.Join(root, "p"))
	if noFiles := (*NoDockerfilesError)(nil); !errors.As(err, &noFiles) {
		t.Errorf("%T is not a *NoDockerfilesError", err)
	}
}

func TestPlatformsOfAFolder(t *testing.T) {
	for _, test := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"sorted by name, not by file", []string{"ci/docker/Dockerfile.publish.a", "ci/docker/Dockerfile.build.z",
			"ci/docker/Dockerfile.build.armv7"}, []string{"armv7", "publish.a", "z"}},
		{"dots belong to the name", []string{"ci/docker/Dockerfile.build.test.arm_qemu"}, []string{"test.arm_qemu"}},
		{"copies, ignore files and other names are none", []string{"ci/docker/Dockerfile.build.x", "ci/docker/Dockerfile",
			"ci/docker/Dockerfile.build.x~", "ci/docker/Dockerfile.build.x.dockerignore", "ci/docker/Dockerfile.build.",
			"ci/docker/Dockerfile.build.a\nb", "ci/docker/Dockerfile.publish.", "ci/docker/x.Dockerfile.build.y"},
			[]string{"x"}},
		{"ci/docker wins over docker", []string{"ci/docker/Dockerfile.build.a", "docker/Dockerfile.build.b"},
			[]string{"a"}},
		{"a ci/docker without Dockerfiles does not", []string{"ci/docker/install/", "docker/Dockerfile.build.b"},
			[]string{"b"}},
		{"a link to a Dockerfile is one", []string{"docker/common", "docker/Dockerfile.build.l -> common"},
			[]string{"l"}},
		{"a folder and a dead link are none", []string{"docker/Dockerfile.build.ok", "docker/Dockerfile.build.f/",
			"docker/Dockerfile.build.d -> nowhere"}, []string{"ok"}},
		{"the full name of two for one wins", []string{"docker/Dockerfile.publish.x", "docker/Dockerfile.build.publish.x"},
			[]string{"publish.x"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := load(t, tree(t, append(test.paths, ".git/")...))
			if diff := cmp.Diff(test.want, names(p)); diff != "" {
				t.Error(diff)
			}
			for _, pl := range p.Platforms {
				if pl.Name == "publish.x" && filepath.Base(pl.Dockerfile) != "Dockerfile.build.publish.x" {
					t.Errorf("publish.x is %s", pl.Dockerfile)
				}
			}
		})
	}
}

func TestALinkedDockerFolderHasItsRealContext(t *testing.T) {
	root := tree(t, ".git/", "shared/Dockerfile.build.x", "docker -> shared")
	p := load(t, root)
	want := Platform{Name: "x", Dockerfile: filepath.Join(root, "shared/Dockerfile.build.x"),
		Context: filepath.Join(root, "shared")}
	if diff := cmp.Diff(want, p.Platforms[0]); diff != "" {
		t.Error(diff)
	}
	if p.DockerDir != filepath.Join(root, "docker") {
		t.Errorf("DockerDir %q", p.DockerDir)
	}
}

func TestPlatformByName(t *testing.T) {
	p := load(t, tree(t, ".git/", "docker/Dockerfile.build.armv7", "docker/Dockerfile.publish.cpu",
		"docker/Dockerfile.build.build.odd", "docker/Dockerfile.build.odd"))
	for given, file := range map[string]string{
		"armv7": "Dockerfile.build.armv7", "build.armv7": "Dockerfile.build.armv7",
		"publish.cpu": "Dockerfile.publish.cpu", "build.odd": "Dockerfile.build.build.odd", "odd": "Dockerfile.build.odd",
	} {
		pl, err := p.Platform(given)
		if err != nil {
			t.Errorf("%s: %v", given, err)
		} else if filepath.Base(pl.Dockerfile) != file {
			t.Errorf("%s is %s, want %s", given, pl.Dockerfile, file)
		}
	}
}

func TestAnUnknownPlatformSaysWhatToDo(t *testing.T) {
	root := tree(t, ".git/", "docker/Dockerfile.build.armv7", "docker/Dockerfile.build.armv6",
		"docker/Dockerfile.build.ubuntu_cpu", "docker/Dockerfile.build.folder/")
	p := load(t, root)
	create := filepath.Join(root, "docker/Dockerfile.")
	for _, test := range []struct {
		given   string
		nearest []string
		words   []string
	}{
		{"armv8", []string{"armv6", "armv7"}, []string{`"armv8" in docker`, "nearest: armv6, armv7", "`caisson -l`",
			"create " + create + "build.armv8"}},
		{"build.armv8", []string{"armv6", "armv7"}, []string{create + "build.armv8"}},
		{"ubuntu", []string{"ubuntu_cpu"}, []string{"nearest: ubuntu_cpu"}},
		{"docker/Dockerfile.build.armv7", []string{"armv7", "armv6"}, []string{"nearest: armv7, armv6"}},
		{"publish.cpu", nil, []string{create + "publish.cpu"}},
		{"folder", nil, []string{"Dockerfile.build.folder is a folder"}},
		{"windows", nil, []string{create + "build.windows"}},
		{"", nil, []string{`""`, "`caisson -l`"}},
		{"qq~", nil, []string{"cannot be the name"}},
	} {
		t.Run(test.given, func(t *testing.T) {
			_, err := p.Platform(test.given)
			wantWords(t, err, test.words...)
			var unknown *UnknownPlatformError
			if !errors.As(err, &unknown) {
				t.Fatalf("%T is not an *UnknownPlatformError", err)
			}
			if diff := cmp.Diff(test.nearest, unknown.Nearest); diff != "" {
				t.Error(diff)
			}
			// Only a name that the file would really give may be advised.
			if unknown.Create != "" {
				if _, ok := platformName(filepath.Base(unknown.Create)); !ok {
					t.Errorf("%s would be no platform", unknown.Create)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	root := b.TempDir()
	for _, dir := range []string{"ci/docker", "src/operator"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			b.Fatal(err)
		}
	}
	files := []string{".mxnet_root", "ci/docker/runtime_functions.sh"}
	for i := range 60 {
		n := string(rune('a'+i/26)) + string(rune('a'+i%26))
		files = append(files, "ci/docker/Dockerfile.build."+n, "file_"+n)
	}
	for _, file := range files {
		if err := os.WriteFile(filepath.Join(root, file), nil, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	start := filepath.Join(root, "src/operator")
	for b.Loop() {
		if _, err := Load(start); err != nil {
			b.Fatal(err)
		}
	}
}
