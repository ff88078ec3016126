package base

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// pipeThrough runs a program over data.
func pipeThrough(t *testing.T, data []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s (it must be installed): %v", program, err)
	}
	return out
}

func TestARootTarHasOneDigestHoweverItIsPacked(t *testing.T) {
	plainTar := mergedRoot(t)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	if _, err := w.Write(plainTar); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	digests := map[string]bool{}
	for form, data := range map[string][]byte{
		"plain": plainTar, "gzip": gz.Bytes(), "zstd": z.EncodeAll(plainTar, nil),
		"xz": pipeThrough(t, plainTar, "xz", "-c"), "bzip2": pipeThrough(t, plainTar, "bzip2", "-c"),
	} {
		t.Run(form, func(t *testing.T) {
			a, _ := newAdder(t)
			e := mustAdd(t, a, "debian:test", write(t, "root", data))
			digests[e.Digest] = true
			config, err := image(t, a, e).ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if config.OS != "linux" || config.Architecture != "amd64" || e.Arch != "amd64" {
				t.Errorf("platform %s/%s, listed %s", config.OS, config.Architecture, e.Arch)
			}
			if !slices.Equal(config.Config.Cmd, []string{"/bin/sh"}) || !slices.Equal(config.Config.Env, []string{defaultPath}) {
				t.Errorf("config %+v", config.Config)
			}
			headers, contents := rootTarOf(t, image(t, a, e))
			if headers["bin"].Linkname != "usr/bin" || contents["etc/os-release"] != "ID=test\n" {
				t.Errorf("the layer has %v", contents)
			}
		})
	}
	if len(digests) != 1 {
		t.Errorf("there are %d digests: %v", len(digests), digests)
	}
}

func TestWhatIsFoundInARoot(t *testing.T) {
	amd64 := amd64Program()
	arm := program(elf.EM_ARM, elf.ELFCLASS32, elf.ELFDATA2LSB, armHardFloat)
	for _, c := range []struct {
		name, arch, shell string
		files             []file
	}{
		{"a plain /bin", "amd64", "/bin/bash", []file{{name: "bin/sh", content: amd64}, {name: "bin/bash", content: amd64}}},
		{"/bin is a link", "amd64", "/bin/bash", []file{
			{name: "bin", target: "usr/bin"}, {name: "usr/bin/bash", content: amd64}, {name: "usr/bin/sh", target: "bash"}}},
		{"links are absolute", "arm/v7", "/bin/sh", []file{
			{name: "bin", target: "/usr/bin"}, {name: "usr/bin/sh", target: "/lib/busybox"}, {name: "lib/busybox", content: arm}}},
		{"links go up", "arm/v7", "/bin/sh", []file{
			{name: "bin/sh", target: "../usr/bin/sh"}, {name: "usr/bin/sh", content: arm}, {name: "usr/bin/other", content: amd64}}},
		{"the shell is a hard link", "arm/v7", "/bin/bash", []file{
			{name: "./usr/bin/x", content: arm}, {name: "./bin/bash", target: "./usr/bin/x", kind: tar.TypeLink},
			{name: "./bin/sh", target: "./bin/bash", kind: tar.TypeLink}}},
		{"the shell is the platform's, cross tools are not", "arm/v7", "/bin/sh", []file{
			{name: "bin/sh", content: arm}, {name: "bin/a", content: amd64}, {name: "bin/b", content: amd64}}},
		{"without a shell most programs decide", "amd64", "/bin/sh", []file{
			{name: "usr/bin/a", content: arm}, {name: "usr/bin/b", content: amd64}, {name: "usr/bin/c", content: amd64}}},
		{"a link in a circle is no shell", "amd64", "/bin/sh", []file{
			{name: "bin/bash", target: "sh"}, {name: "bin/sh", target: "bash"}, {name: "usr/bin/b", content: amd64}}},
		{"a link that leaves the root stays in it", "amd64", "/bin/sh", []file{
			{name: "bin/sh", target: "../../../../usr/bin/b"}, {name: "usr/bin/b", content: amd64}}},
		{"scripts have no platform", runtime.GOARCH, "/bin/sh", []file{{name: "bin/sh", content: []byte("#!/bin/true\n")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, n := newAdder(t)
			e := mustAdd(t, a, "x", write(t, "r.tar", makeTar(t, c.files...)))
			config, err := image(t, a, e).ConfigFile()
			if err != nil {
				t.Fatal(err)
			}
			if e.Arch != c.arch || config.Config.Cmd[0] != c.shell {
				t.Errorf("found %s and %v, want %s and %s", e.Arch, config.Config.Cmd, c.arch, c.shell)
			}
			if guessed := strings.Contains(n.text(), "taken for"); guessed != (c.name == "scripts have no platform") {
				t.Errorf("said was %q", n.text())
			}
		})
	}
}

func TestThePlatformOfAnELFHeader(t *testing.T) {
	const l, b, w32, w64 = elf.ELFDATA2LSB, elf.ELFDATA2MSB, elf.ELFCLASS32, elf.ELFCLASS64
	for _, c := range []struct {
		want string
		head []byte
	}{
		{"amd64", program(elf.EM_X86_64, w64, l, 0)},
		{"", program(elf.EM_X86_64, w32, l, 0)}, // x32
		{"386", program(elf.EM_386, w32, l, 0)},
		{"arm64", program(elf.EM_AARCH64, w64, l, 0)},
		{"arm/v7", program(elf.EM_ARM, w32, l, 0x5000400)},
		{"arm/v5", program(elf.EM_ARM, w32, l, 0x5000200)},
		{"riscv64", program(elf.EM_RISCV, w64, l, 5)},
		{"ppc64le", program(elf.EM_PPC64, w64, l, 2)},
		{"", program(elf.EM_PPC64, w64, b, 1)},
		{"s390x", program(elf.EM_S390, w64, b, 0)},
		{"loong64", program(elf.EM_LOONGARCH, w64, l, 3)},
		{"mips64le", program(elf.EM_MIPS, w64, l, 0)},
		{"mipsle", program(elf.EM_MIPS, w32, l, 0)},
		{"", []byte("#!/bin/sh\n")},
		{"", []byte(elf.ELFMAG)},
	} {
		m, ok := elfPlatform(c.head)
		got := platformArch(v1.Platform{Architecture: m.arch, Variant: m.variant})
		if ok != (c.want != "") || got != c.want {
			t.Errorf("got %q, %v; want %q", got, ok, c.want)
		}
	}
}

func TestAPrivateTopFolderIsSaid(t *testing.T) {
	a, n := newAdder(t)
	mustAdd(t, a, "x", write(t, "r.tar", makeTar(t, file{name: "./", mode: 0o700}, file{name: "./bin/sh", content: amd64Program()})))
	if !strings.Contains(n.text(), "mode 0700") {
		t.Errorf("said was %q", n.text())
	}
}

// makeRootFolder is a root file system with one of everything that a folder can hold.
func makeRootFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"usr/bin", "proc/1", "sys/kernel", "usr/share/proc/kept", "dev", "tmp"} {
		if err := os.MkdirAll(at(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	steps := []error{
		os.WriteFile(at("usr/bin/sh"), shell, 0o755),
		os.Link(at("usr/bin/sh"), at("usr/bin/bash")),
		os.Symlink("usr/bin", at("bin")),
		os.WriteFile(at("usr/bin/ping"), []byte("ping"), 0o755),
		os.Chmod(at("usr/bin/ping"), 0o755|os.ModeSetuid),
		os.Chmod(at("tmp"), 0o777|os.ModeSticky),
		os.WriteFile(at("proc/1/status"), nil, 0o644),
		os.WriteFile(at("usr/share/name with\nnewline é"), []byte("x"), 0o640),
		unix.Mkfifo(at("dev/pipe"), 0o600),
		unix.Setxattr(at("usr/bin/ping"), "user.origin", []byte("a\x00b"), 0),
	}
	for i, err := range steps {
		if err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	link := filepath.Join(t.TempDir(), "d") // the address of a socket is at most 107 bytes long
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(link, "dev/socket")}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAFolderIsPackedWithAllThatAnImageHolds(t *testing.T) {
	dir := makeRootFolder(t)
	owner := 0
	if os.Geteuid() == 0 { // what only root can make
		owner = 1234
		capability := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0} // CAP_NET_RAW, permitted
		for i, err := range []error{
			os.Lchown(filepath.Join(dir, "usr/share"), owner, 5678),
			unix.Setxattr(filepath.Join(dir, "usr/bin/ping"), "security.capability", capability, 0),
			unix.Setxattr(filepath.Join(dir, "usr/share"), "trusted.overlay.opaque", []byte("y"), 0),
			unix.Mknod(filepath.Join(dir, "dev/null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		} {
			if err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
		}
	}
	a := &Adder{Dir: filepath.Join(dir, "var/caisson/bases")} // a store within the folder is no part of the image
	e := mustAdd(t, a, "x", dir)
	headers, contents := rootTarOf(t, image(t, a, e))
	for name, ok := range map[string]bool{
		"a link of a folder":           headers["bin"].Linkname == "usr/bin",
		"one of two names is a link":   headers["usr/bin/sh"].Linkname == "usr/bin/bash" && headers["usr/bin/sh"].Typeflag == tar.TypeLink,
		"setuid":                       headers["usr/bin/ping"].Mode == 0o4755,
		"sticky":                       headers["tmp/"].Mode == 0o1777,
		"/proc is empty":               headers["proc/"] != nil && headers["proc/1/"] == nil,
		"/sys is empty":                headers["sys/"] != nil && headers["sys/kernel/"] == nil,
		"another proc is not":          headers["usr/share/proc/kept/"] != nil,
		"no socket":                    headers["dev/socket"] == nil,
		"a pipe":                       headers["dev/pipe"].Typeflag == tar.TypeFifo,
		"odd names":                    contents["usr/share/name with\nnewline é"] == "x",
		"users' attributes":            headers["usr/bin/ping"].PAXRecords["SCHILY.xattr.user.origin"] == "a\x00b",
		"no store":                     headers["var/caisson/"] != nil && headers["var/caisson/bases/"] == nil,
		"no top folder":                headers["/"] == nil && headers["."] == nil && headers[""] == nil,
		"owner":                        headers["usr/share/"].Uid == owner && headers["usr/share/"].Uname == "",
		"no mark of overlayfs":         headers["usr/share/"].PAXRecords["SCHILY.xattr.trusted.overlay.opaque"] == "",
		"a capability (as root)":       owner == 0 || len(headers["usr/bin/ping"].PAXRecords["SCHILY.xattr.security.capability"]) == 20,
		"a device (as root)":           owner == 0 || headers["dev/null"].Devmajor == 1 && headers["dev/null"].Devminor == 3,
		"the platform is this machine": e.Arch == platformArch(v1.Platform{Architecture: runtime.GOARCH}),
	} {
		if !ok {
			t.Errorf("%s: not so", name)
		}
	}
}

func TestFilesOfAnOrdinaryCallerBecomeRoots(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		caller, want int
	}{{name: "the caller's own", caller: os.Geteuid(), want: 0}, {name: "another's", caller: os.Geteuid() + 1, want: os.Geteuid()}} {
		t.Run(c.name, func(t *testing.T) {
			info, err := os.Lstat(filepath.Join(dir, "mine"))
			if err != nil {
				t.Fatal(err)
			}
			var buf bytes.Buffer
			p := &packer{ctx: t.Context(), top: dir, tw: tar.NewWriter(&buf), inodes: map[inode]string{}, caller: c.caller}
			if err := p.write(filepath.Join(dir, "mine"), "mine", info); err != nil {
				t.Fatal(err)
			}
			h, err := tar.NewReader(&buf).Next()
			if err != nil || h.Uid != c.want {
				t.Errorf("owner %d (%v), want %d", h.Uid, err, c.want)
			}
		})
	}
}
