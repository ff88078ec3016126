package input

import (
	"os"
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

func TestAWrongLineIsAnsweredWithWhatIsWrongAndTheNextStep(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.armv7":      "FROM tiny\n",
		"ci/docker/Dockerfile.build.armv8_cuda": "FROM tiny\n",
		"ci/docker/Dockerfile.build.half~":      "FROM tiny\n",
	})
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"a platform that is nearly one", []string{"-p", "amrv7"}, []string{`no platform "amrv7"`, "ci/docker", "nearest: armv7", "caisson -l"}},
		{"a platform like no other", []string{"-p", "windows"}, []string{`no platform "windows"`, "caisson -l", "to add it, create ", "Dockerfile.build.windows"}},
		{"a copy that an editor left", []string{"-p", "half"}, []string{`no platform "half"`, "create "}},
		{"a path instead of a platform", []string{"-p", "ci/docker/Dockerfile.build.armv7"}, []string{"no platform", "nearest: armv7"}},
		{"a flag that is nearly one", []string{"-p", "tiny", "--no-cahce"}, []string{`no flag "--no-cahce"`, "--no-cache"}},
		{"a flag that may be two", []string{"-p", "tiny", "--no"}, []string{"--no-cache", "--no-pull"}},
		{"a flag of a later version", []string{"-p", "tiny", "--gpus", "all"}, []string{"--gpus", "not available in this version"}},
		{"a number that is none", []string{"-p", "tiny", "-r", "often"}, []string{`"often"`, "-r 3"}},
		{"a size that is none", []string{"-p", "tiny", "--shm-size", "big"}, []string{`"big"`, "500m"}},
		{"a time that is none", []string{"-p", "tiny", "--timeout", "soon"}, []string{`"soon"`, "30m"}},
		{"flags that contradict", []string{"-p", "tiny", "-b", "-R"}, []string{"-b", "-R", "leave one of them out"}},
		{"a folder that is not there", []string{"-C", "no/such/folder", "-l"}, []string{"no/such/folder", "no such file"}},
		{"a file as folder", []string{"-C", "ci/docker/Dockerfile.build.tiny", "-l"}, []string{"Dockerfile.build.tiny", "not a folder"}},
		{"a subcommand that is nearly one", []string{"claen"}, []string{`no command "claen"`, "caisson clean"}},
		{"words that clean does not know", []string{"clean", "--everything"}, []string{`"--everything"`, "--images | --all"}},
		{"a run that never was", []string{"logs", "zzzz"}, []string{"zzzz", "caisson ps -a"}},
	} {
		t.Run(c.name, func(t *testing.T) { tr.refused(t, c.args, c.words...) })
	}
}

func TestAFolderWithoutAProjectIsRefused(t *testing.T) {
	dir := harness.TempDir(t)
	tr := tree{harness.Tree{Root: dir, Store: harness.Store(t)}}
	tr.refused(t, []string{"-p", "armv7"}, "no project in "+dir, ".<name>_root", "-C DIR")

	tr.Write(t, map[string]string{".demo_root": "", "src/main.c": ""})
	tr.refused(t, []string{"-p", "armv7"}, "no platform in the project "+dir, "ci/docker", "Dockerfile.build.<platform>",
		"build_<platform>", "runtime_functions.sh")

	if err := os.MkdirAll(filepath.Join(dir, "docker", "Dockerfile.build.armv7"), 0o755); err != nil {
		t.Fatal(err)
	}
	tr.refused(t, []string{"-p", "armv7"}, "Dockerfile.build.armv7 is a folder")
}

func TestAFunctionsFileThatCannotBuildThePlatformIsRefused(t *testing.T) {
	const file = "ci/docker/runtime_functions.sh"
	for _, c := range []struct {
		name  string
		spoil func(path string) error
		words []string
	}{
		{"missing", os.Remove, []string{"no functions file, expected at ", file, "build_tiny"}},
		{"not executable", func(path string) error { return os.Chmod(path, 0o644) }, []string{file, "is not executable", "chmod +x "}},
		{"without the function", func(path string) error {
			return os.WriteFile(path, []byte("#!/bin/sh\nbuild_tyni() { :; }\n\"$@\"\n"), 0o755)
		}, []string{"no function build_tiny in ", file, "nearest: build_tyni"}},
		{"a folder", func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o755)
		}, []string{file, "is a folder"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := newTree(t, nil)
			if err := c.spoil(filepath.Join(tr.Root, file)); err != nil {
				t.Fatal(err)
			}
			tr.refused(t, []string{"-p", "tiny"}, c.words...)
			if out := tr.Must(t, "-p", "tiny", "echo", "works").Stdout; out != "works\n" {
				t.Errorf("a command of one's own printed %q", out)
			}
		})
	}
}

func TestAFileInThePlaceOfBuildIsRefused(t *testing.T) {
	tr := newTree(t, map[string]string{"build": "precious\n"})
	tr.refused(t, []string{"-p", "tiny"}, tr.Root+"/build is not a folder", "mv "+tr.Root+"/build "+tr.Root+"/build.old")
	if got := tr.Read(t, "build"); got != "precious\n" {
		t.Errorf("the file is now %q", got)
	}
}

func TestACompilerCacheThatCannotBeWrittenIsRefused(t *testing.T) {
	tr := newTree(t, nil).owned(t)
	foreign, file := filepath.Join(harness.TempDir(t), "ccache"), filepath.Join(harness.TempDir(t), "file")
	if err := os.Mkdir(foreign, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		words     []string
	}{
		{"it is somebody else's", foreign, []string{"as uid 54321", "permission denied"}},
		{"it cannot be made", foreign + "/new", []string{"as uid 54321", "permission denied"}},
		{"it is a file", file, []string{"not a directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			words := append(c.words, c.dir, "as compiler cache")
			tr.with("CCACHE_DIR="+c.dir).refused(t, []string{"-p", "tiny", "true"},
				append(words, "$CCACHE_DIR", "set CCACHE_DIR to another folder")...)
			tr.refused(t, []string{"-p", "tiny", "--ccache-dir", c.dir, "true"},
				append(words, "name another folder with --ccache-dir")...)
		})
	}
}
