package index

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/distribution/reference"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestNormalizeAgreesWithTheReferenceGrammar(t *testing.T) {
	long := strings.Repeat("a", 128)
	for _, ref := range []string{
		"debian", "debian:bookworm", "library/debian", "docker.io/debian", "docker.io/library/debian:12",
		"index.docker.io/debian", "team/tool", "localhost/tool", "localhost:5000/tool:1", "example.org/a/b/c:t_1.2-x",
		"HOST/tool", "[::1]:5000/tool", "[2001:db8::1]/tool", "a.b/c", "a_b/c__d/e--f", "debian@" + digest,
		"debian:bookworm@" + digest, "10.0.0.1:80/x", "x:" + long,
		// not valid
		"", ":tag", "Debian", "debian:", "debian:-x", "debian:.x", "debian:a/b", "/debian", "debian/", "a//b", "a..b", "a___b",
		"a._b", "-a", "a-", "a b", "debian:bookworm:x", "debian@sha256:12", "debian@", "@" + digest, "x:" + long + "a",
		"-host.org/a", "host.org:/a", "host.org:p/a", "[::1/a", "[]/a", "[::1]x/a", strings.Repeat("a", 300),
		digest[len("sha256:"):], "é", "debian:é", "../x", "example.org/../x", "a\nb", "scratch\x00",
	} {
		want := ""
		if named, err := reference.ParseNormalizedNamed(ref); err == nil {
			want = reference.TagNameOnly(named).String()
		}
		got, err := Normalize(ref)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Normalize(%q) = %q, %v; want %q", ref, got, err, want)
		}
	}
}

func TestLookup(t *testing.T) {
	entries := []Entry{
		{Ref: "docker.io/library/debian:bookworm", Digest: digest, Arch: "amd64"},
		{Ref: "example.org/team/tool:latest", Digest: "sha256:" + strings.Repeat("f", 64)},
	}
	for _, c := range []struct {
		name, ref, want string
	}{
		{"a short name finds the full one", "debian:bookworm", "docker.io/library/debian:bookworm"},
		{"so does the full name", "docker.io/library/debian:bookworm", "docker.io/library/debian:bookworm"},
		{"the default tag is latest", "example.org/team/tool", "example.org/team/tool:latest"},
		{"another tag is another base", "debian:trixie", ""},
		{"no tag is not any tag", "debian", ""},
		{"a digest finds the base", "debian@" + digest, "docker.io/library/debian:bookworm"},
		{"a digest decides over the tag", "debian:other@" + digest, "docker.io/library/debian:bookworm"},
		{"another digest finds nothing", "debian:bookworm@sha256:" + strings.Repeat("0", 64), ""},
		{"what is no reference finds nothing", "Not A Ref", ""},
		{"scratch is no base", "scratch", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Lookup(entries, c.ref)
			if got.Ref != c.want || ok != (c.want != "") {
				t.Errorf("got %q, %v; want %q", got.Ref, ok, c.want)
			}
		})
	}
}

func TestReadOfAFolderWithoutListIsEmpty(t *testing.T) {
	entries, err := Read(filepath.Join(t.TempDir(), "absent"))
	if err != nil || len(entries) != 0 {
		t.Errorf("got %v, %v", entries, err)
	}
}

func TestReadOfADamagedListNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte(`[{"ref": "x`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got error %v", err)
	}
}
