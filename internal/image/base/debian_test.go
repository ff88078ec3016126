package base

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// makeHost writes files below a root and returns it. A host has its keyrings.
func makeHost(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	debianHost = "NAME=\"Debian\"\nID=debian\n"
	debianKey  = "usr/share/keyrings/debian-archive-keyring.gpg"
	signed     = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
	deb822     = `# a comment
Types: deb
URIs: http://mirror.corp/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.corp/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`
)

type mirrorCase struct {
	name  string
	suite string
	files map[string]string
	want  []string
	https bool
}

func mirrorCases() []mirrorCase {
	return []mirrorCase{
		{name: "deb822 of the suite itself", suite: "bookworm",
			files: map[string]string{"etc/apt/sources.list.d/debian.sources": deb822},
			want: []string{"http://mirror.corp/debian bookworm main", "http://mirror.corp/debian bookworm-updates main",
				"http://mirror.corp/debian-security bookworm-security main"}},
		{name: "another suite comes from the same mirrors", suite: "trixie",
			files: map[string]string{"etc/apt/sources.list.d/debian.sources": deb822},
			want: []string{"http://mirror.corp/debian trixie main", "http://mirror.corp/debian trixie-updates main",
				"http://mirror.corp/debian-security trixie-security main"}},
		{name: "sid has no security", suite: "sid",
			files: map[string]string{"etc/apt/sources.list.d/debian.sources": deb822},
			want:  []string{"http://mirror.corp/debian sid main"}},
		{name: "one-line form, options, comments, https", suite: "bookworm", https: true,
			files: map[string]string{"etc/apt/sources.list": "# deb http://old/debian bookworm main\n" +
				"deb [ arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ]\thttps://m/x bookworm main # mine\n" +
				"deb-src http://src/debian bookworm main\n"},
			want: []string{"https://m/x bookworm main"}},
		{name: "the entry of the suite goes before others", suite: "trixie",
			files: map[string]string{"etc/apt/sources.list": "deb http://a.org/debian bookworm main\n" +
				"deb http://b.org/debian trixie main\ndeb http://c.org/debian bullseye main\n"},
			want: []string{"http://b.org/debian trixie main"}},
		{name: "old security suites", suite: "buster",
			files: map[string]string{"etc/apt/sources.list": "deb http://a.org/debian buster main\ndeb http://a.org/debian-security buster/updates main\n"},
			want:  []string{"http://a.org/debian buster main", "http://a.org/debian-security buster/updates main"}},
		{name: "third parties that look alike", suite: "bookworm",
			files: map[string]string{
				"etc/apt/sources.list":                  "deb http://a.org/debian bookworm main\ndeb https://apt.tool.example bookworm main\n",
				"etc/apt/sources.list.d/tool.list":      "deb http://tool.example/debian bookworm main\n",
				"etc/apt/sources.list.d/a-tool.sources": "Types: deb\nURIs: http://t.example/debian\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/tool.gpg\n",
				"etc/apt/sources.list.d/key.sources":    "Types: deb\nURIs: http://k.example/debian\nSuites: bookworm\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n",
			},
			want: []string{"http://a.org/debian bookworm main"}},
		{name: "only third parties", suite: "bookworm",
			files: map[string]string{"etc/apt/sources.list.d/tool.list": "deb [signed-by=/etc/apt/keyrings/t.gpg] http://t.example/debian bookworm main\n"}},
		{name: "disabled, backports, discs and other components", suite: "bookworm",
			files: map[string]string{
				"etc/apt/sources.list.d/debian.sources": "Enabled: no\n" + strings.TrimPrefix(deb822, "# a comment\n"),
				"etc/apt/sources.list": "deb http://a.org/debian bookworm-backports main\ndeb cdrom:[Debian]/ bookworm main\n" +
					"deb file:/srv/debian bookworm main\ndeb http://a.org/debian bookworm contrib\n",
			}},
		{name: "no sources at all", suite: "bookworm"},
		{name: "a host of another distribution", suite: "bookworm",
			files: map[string]string{"etc/os-release": "ID=ubuntu\n", "etc/apt/sources.list.d/debian.sources": deb822}},
	}
}

func TestTheMirrorsOfTheHost(t *testing.T) {
	for _, c := range mirrorCases() {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{"etc/os-release": debianHost, debianKey: "key"}
			for name, content := range c.files {
				files[name] = content
			}
			got, https := hostMirrors(makeHost(t, files), distros["debian"], c.suite)
			want := ""
			for _, line := range c.want {
				want += signed + line + "\n"
			}
			if text := strings.Join(append(got, ""), "\n"); text != want || https != c.https {
				t.Errorf("got\n%swant\n%s(https %v)", text, want, https)
			}
		})
	}
}

func TestArchitecturesHaveManyNames(t *testing.T) {
	for name, want := range map[string]string{
		"armhf": "arm/v7", "arm/v7": "arm/v7", "armv7": "arm/v7", "linux/arm/v7": "arm/v7", "x86_64": "amd64", "aarch64": "arm64",
		"i386": "386", "ppc64el": "ppc64le", "": platformArch(v1.Platform{Architecture: runtime.GOARCH}),
	} {
		if a, err := findArch(name); err != nil || platformArch(a.platform) != want {
			t.Errorf("%q is %v (%v), want %s", name, a, err, want)
		}
	}
}

// fakeBootstrap puts a script in the place of mmdebstrap, with a host that has all keys.
func fakeBootstrap(t *testing.T, a *Adder, script string) {
	t.Helper()
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "mmdebstrap"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	a.root = makeHost(t, map[string]string{debianKey: "", "etc/os-release": debianHost, "etc/apt/sources.list.d/debian.sources": deb822})
}

func TestWhatMmdebstrapIsTold(t *testing.T) {
	a, n := newAdder(t)
	root := write(t, "root.tar", mergedRoot(t))
	arguments := filepath.Join(t.TempDir(), "arguments")
	fakeBootstrap(t, a, `printf '%s\n' "$@" >`+arguments+`; echo "I: running apt-get update..." >&2; cat `+root)
	e := mustAdd(t, a, "debian:bookworm", "debian:bookworm/armhf")
	data, err := os.ReadFile(arguments)
	if err != nil {
		t.Fatal(err)
	}
	told := string(data)
	for _, want := range []string{"--variant=minbase\n", "--architectures=armhf\n", "\nbookworm\n-\n" + signed + "http://mirror.corp/debian bookworm main\n"} {
		if !strings.Contains(told, want) {
			t.Errorf("it was told %q, and not %q", told, want)
		}
	}
	// The architecture asked for counts, and not that of the fake's programs.
	if e.Arch != "arm/v7" || e.Source != "debian:bookworm/armhf" {
		t.Errorf("got %+v", e)
	}
	if want := "mmdebstrap: running apt-get update"; !strings.Contains(n.text(), want) {
		t.Errorf("said was %q", n.text())
	}
}

func TestAFailureOfMmdebstrapShowsItsLastLinesAndAHint(t *testing.T) {
	for _, c := range []struct{ name, says, hint string }{
		{"no such suite", "E: The repository 'x' does not have a Release file.", "is that a suite of debian?"},
		{"no network", "Err:1 x Could not resolve 'x'", "cannot be reached from here"},
		{"foreign programs", "E: armhf can neither be executed natively nor via qemu user emulation with binfmt_misc", "qemu-user-static"},
		{"something else", "E: something else", "mmdebstrap failed (exit status 25)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := newAdder(t)
			fakeBootstrap(t, a, `seq 100 >&2; printf 'drawn\rover %s\n' "`+c.says+`" >&2; exit 25`)
			_, err := a.Add(t.Context(), "x", "debian:bookworm")
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{c.hint, c.says, "\n  100\n"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n  85\n") {
				t.Errorf("error %q says too much", err)
			}
			checkNoLeftovers(t, a.Dir)
		})
	}
}

func TestMissingProgramsAndKeysAreNamed(t *testing.T) {
	a, _ := newAdder(t)
	fakeBootstrap(t, a, "exit 1")
	if err := os.Remove(filepath.Join(a.root, debianKey)); err != nil {
		t.Fatal(err)
	}
	_, err := a.Add(t.Context(), "x", "debian:bookworm")
	if err == nil || !strings.Contains(err.Error(), "apt-get install debian-archive-keyring") {
		t.Errorf("without the key: %v", err)
	}
	_, err = a.Add(t.Context(), "x", "ubuntu:noble")
	if err == nil || !strings.Contains(err.Error(), "apt-get install ubuntu-keyring") {
		t.Errorf("without the key of Ubuntu: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = a.Add(t.Context(), "x", "debian:bookworm")
	if err == nil || !strings.Contains(err.Error(), "apt-get install mmdebstrap") {
		t.Errorf("without the program: %v", err)
	}
}

// TestARealDebian makes one with mmdebstrap from the host's mirror, and updates its package lists as a RUN would.
func TestARealDebian(t *testing.T) {
	if _, err := exec.LookPath("mmdebstrap"); err != nil || os.Geteuid() != 0 {
		t.Fatalf("this test needs root and mmdebstrap (apt-get install mmdebstrap): %v", err)
	}
	a, n := newAdder(t)
	// Stopped where /dev, /proc and /sys of the host are mounted in it: removing it must not reach through them.
	cancelWhenSaid(t, a, "installing essential packages")
	if at := mountBelow(filepath.Dir(a.Dir)); at != "" {
		t.Errorf("%s is mounted", at)
	}
	checkNoLeftovers(t, a.Dir)
	a.Progress = n.add
	e := mustAdd(t, a, "debian:bookworm", "debian:bookworm")
	t.Logf("%d MiB; said was:\n%s", e.Size>>20, n.text())
	img := image(t, a, e)
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Architecture != runtime.GOARCH || config.Config.Cmd[0] != "/bin/bash" {
		t.Errorf("config %+v", config)
	}
	headers, contents := rootTarOf(t, img)
	for name := range headers {
		for _, unwanted := range []string{"etc/resolv.conf", "etc/hostname", "dev/null", "var/cache/apt/pkgcache.bin"} {
			if name == unwanted {
				t.Errorf("the layer has %s", name)
			}
		}
		if strings.HasPrefix(name, "var/lib/apt/lists/") && strings.Contains(name, "Packages") {
			t.Errorf("the layer has the package list %s", name)
		}
	}
	if sources := contents["etc/apt/sources.list"]; !strings.Contains(sources, "bookworm") {
		t.Errorf("sources.list is %q", sources)
	}
	updateLists(t, img)
}

// updateLists runs apt-get update in an image, as a RUN would.
func updateLists(t *testing.T, img gcr.Image) {
	t.Helper()
	root := t.TempDir()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	plain, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	unpack := exec.CommandContext(t.Context(), "tar", "-xf", "-", "-C", root)
	unpack.Stdin = plain
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "etc/resolv.conf"), resolver, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	update := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
		`mount -t tmpfs tmpfs "$0/dev" && mknod -m 666 "$0/dev/null" c 1 3 && `+
			`exec chroot "$0" apt-get -q --error-on=any update`, root)
	if out, err := update.CombinedOutput(); err != nil {
		t.Errorf("apt-get update: %v: %s", err, out)
	}
}
