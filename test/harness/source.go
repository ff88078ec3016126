package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// source is the folder of a Debian source package: its .dsc and what that names, fetched once from the mirror of this
// machine into .build and kept for later runs.
func source(t testing.TB, pkg string) string {
	t.Helper()
	for program, from := range map[string]string{"apt-get": "apt", "dpkg-source": "dpkg-dev", "xz": "xz-utils"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: install the package %s", program, from)
		}
	}
	sources := filepath.Join(Root(), ".build", "test", "sources")
	if err := os.MkdirAll(sources, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(sources, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(sources, pkg)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	part, err := os.MkdirTemp(sources, ".part-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(part)
	apt := privateApt(t)
	Program(t, part, "apt-get", append(apt, "update", "-qq")...)
	Program(t, part, "apt-get", append(apt, "source", "-qq", "--download-only", pkg)...)
	if err := os.Rename(part, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// privateApt returns options that give apt a list of sources and a state of its own, in a temporary folder. The sources
// are those of this machine's apt, as deb-src: most machines have them only as deb.
func privateApt(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	lines := Program(t, "", "apt-get", "indextargets", "--format", "deb-src $(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages")
	if !strings.Contains(lines, "deb-src http") {
		t.Fatalf("the apt of this machine names no mirror to fetch sources from:\n%s", lines)
	}
	Write(t, dir, map[string]string{"sources.list": lines, "lists/partial/.keep": "", "cache/.keep": ""})
	return []string{
		"-o", "Dir::Etc::SourceList=" + filepath.Join(dir, "sources.list"), "-o", "Dir::Etc::SourceParts=/dev/null",
		"-o", "Dir::State::Lists=" + filepath.Join(dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
		"-o", "APT::Sandbox::User=root", // apt's own user cannot enter a folder of a test
	}
}

// Unpack extracts a source package, with Debian's patches, into root, which is empty.
func Unpack(t testing.TB, pkg, root string) {
	t.Helper()
	dsc, err := filepath.Glob(filepath.Join(source(t, pkg), "*.dsc"))
	if err != nil || len(dsc) != 1 {
		t.Fatalf("source package %s: found %q, want one .dsc (%v)", pkg, dsc, err)
	}
	if err := os.Remove(root); err != nil { // dpkg-source makes it
		t.Fatal(err)
	}
	Program(t, "", "dpkg-source", "--no-check", "-x", dsc[0], root)
}

// Program runs a program of this machine and returns what it printed.
func Program(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
