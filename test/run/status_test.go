package run

import (
	"testing"
)

func TestTheExitStatusIsTheCommandsOwn(t *testing.T) {
	tr := newTree(t, map[string]string{"data": "#!/bin/sh\n", "broken.sh": "#!/no/such/shell\n"})
	for _, c := range []struct {
		name    string
		command []string
		want    int
		says    []string // on standard error
	}{
		{"it succeeds", []string{"true"}, 0, nil},
		{"it fails", []string{"sh", "-c", "exit 7"}, 7, []string{"caisson: tiny: failed with status 7", "caisson logs "}},
		{"it uses a status of caisson's", []string{"sh", "-c", "exit 124"}, 124, []string{"failed with status 124"}},
		{"it exits with the highest status", []string{"sh", "-c", "exit 255"}, 255, nil},
		{"it dies by a signal", []string{"sh", "-c", "kill -KILL $$"}, 137, nil},
		{"it is not executable", []string{"/work/demo/data"}, 126, []string{"/work/demo/data", "permission denied", "chmod +x"}},
		{"it is a folder", []string{"/work/demo"}, 126, []string{"/work/demo", "is a directory"}},
		{"its interpreter is missing", []string{"/work/demo/broken.sh"}, 126, []string{"/work/demo/broken.sh", "/no/such/shell"}},
		{"it is not found in PATH", []string{"no-such-program"}, 127, []string{"no-such-program", "not found", "PATH"}},
		{"it is not found at its path", []string{"/no/such/program"}, 127, []string{"/no/such/program", "no such file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tr.run(t, append([]string{"-p", "tiny"}, c.command...)...)
			if r.Code != c.want {
				t.Errorf("status %d, want %d\n%s", r.Code, c.want, r.Stderr)
			}
			equal(t, "standard output", r.Stdout, "")
			contains(t, r.Stderr, c.says...)
			if c.want == 0 {
				equal(t, "standard error", r.Stderr, "")
			}
		})
	}
}

func TestTheExitStatusIs125WhenCaissonFails(t *testing.T) {
	tr := newTree(t, map[string]string{
		"ci/docker/Dockerfile.build.fails": "FROM tiny\nRUN echo some words; exit 3\n",
		"ci/docker/Dockerfile.build.lost":  "FROM tiny\n",
	})
	for _, c := range []struct {
		name string
		args []string
		says []string
	}{
		{"the platform is unknown", []string{"-p", "tini", "true"}, []string{"tini", "tiny"}},
		{"the flag is unknown", []string{"-p", "tiny", "--tiemout", "3s", "true"}, []string{"--tiemout", "did you mean --timeout"}},
		{"there is no platform", []string{"-b"}, []string{"no platform", "-p PLATFORM", "caisson -l"}},
		{"a variable does not exist", []string{"-p", "tiny", "-e", "NO_SUCH_VARIABLE", "true"}, []string{"NO_SUCH_VARIABLE"}},
		{"the image cannot be built", []string{"-p", "fails", "true"}, []string{"Dockerfile.build.fails:2", "some words"}},
		{"there is no build function", []string{"-p", "lost"}, []string{"build_lost", "runtime_functions.sh"}},
		{"the subcommand is unknown", []string{"bild"}, []string{"bild"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tr.run(t, c.args...)
			if r.Code != 125 {
				t.Errorf("status %d, want 125\n%s", r.Code, r.Stderr)
			}
			equal(t, "standard output", r.Stdout, "")
			contains(t, r.Stderr, append(c.says, "caisson: ")...)
		})
	}
}

func TestWordsAfterTwoHyphensAreTheCommand(t *testing.T) {
	tr := newTree(t, nil)
	equal(t, "output", tr.must(t, "-p", "tiny", "-e", "A=1", "--", "echo", "-p", "--", "B=2"), "-p -- B=2\n")
	equal(t, "output", tr.must(t, "-p", "tiny", "echo", "--", "-b"), "-- -b\n")
	if r := tr.run(t, "-p", "tiny", "--", "--help"); r.Code != 127 {
		t.Errorf("a command --help: status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}

func TestTheDefaultCommandIsTheBuildFunction(t *testing.T) {
	tr := newTree(t, nil)
	r := tr.Command("-p", "tiny").Must(t)
	equal(t, "standard output", r.Stdout, "")
	contains(t, r.Stderr, "caisson: tiny: done in ")
	equal(t, "build/out", tr.sh(t, "cat /work/demo/build/out"), "built\n")

	tr.Write(t, map[string]string{"ci/docker/runtime_functions.sh": "#!/bin/sh\nbuild_tiny() { echo half-way; return 9; }\n\"$@\"\n"})
	r = tr.run(t, "-p", "tiny")
	if r.Code != 9 || r.Stdout != "half-way\n" {
		t.Errorf("status %d, output %q\n%s", r.Code, r.Stdout, r.Stderr)
	}
}
