package base

import (
	"archive/tar"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	gcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// damaged is a layout of one image; change may spoil one of its blobs, the largest, which is a layer.
func damaged(t *testing.T, change func(blob string)) string {
	t.Helper()
	img := amd64Image(t)
	dir := writeLayout(t, img)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	h, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	change(filepath.Join(dir, "blobs", "sha256", h.Hex))
	return dir
}

func flip(t *testing.T) func(string) {
	return func(blob string) {
		data, err := os.ReadFile(blob)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(blob, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorsSayWhatIsWrongAndLeaveNothing(t *testing.T) {
	truncated := mergedRoot(t)[:2000]
	xz := pipeThrough(t, mergedRoot(t), "xz", "-c")
	remove := func(blob string) { _ = os.Remove(blob) }
	truncate := func(blob string) { _ = os.Truncate(blob, 10) }
	artifact := mutate.ConfigMediaType(amd64Image(t), types.MediaType("application/vnd.oci.empty.v1+json"))
	windows := randomImage(t, gcr.Platform{OS: "windows", Architecture: "amd64"})
	for _, c := range []struct {
		name, ref, source string
		words             []string
	}{
		{"a bad reference", "Not A Ref", "/x", []string{`"Not A Ref" is no image reference`}},
		{"a digest", "x@sha256:" + strings.Repeat("0", 64), "/x", []string{"a name and a tag, not a digest"}},
		{"a source that is not there", "x", "/no/such/source", []string{"there is no /no/such/source", "debian:SUITE"}},
		{"a folder of nothing", "x", t.TempDir(), []string{"is no image", "index.json", "bin, etc, usr"}},
		{"a device", "x", "/dev/null", []string{"neither a file nor a folder"}},
		{"a text", "x", write(t, "t.txt", []byte(strings.Repeat("text ", 500))), []string{"no tar archive"}},
		{"an empty file", "x", write(t, "t", nil), []string{"no tar archive"}},
		{"a tar of sources", "x", write(t, "s.tar", makeTar(t, file{name: "p-1.0/"}, file{name: "p-1.0/Makefile"})),
			[]string{"is no image", "index.json", "manifest.json", "bin, etc, usr"}},
		{"an archive without a table", "x", write(t, "s.tar", makeTar(t, file{name: "oci-layout", content: []byte("{}")})),
			[]string{"is no image", "index.json"}},
		{"a tar that breaks off", "x", write(t, "r.tar", truncated), []string{"root file system", "unexpected EOF"}},
		{"an xz file that breaks off", "x", write(t, "r.tar.xz", xz[:len(xz)-40]), []string{"unpack with xz"}},
		{"a layout with a changed layer", "x", damaged(t, flip(t)), []string{"is damaged"}},
		{"a layout with a short layer", "x", damaged(t, truncate), []string{"is damaged", "10 bytes"}},
		{"a layout without a layer", "x", damaged(t, remove), []string{"missing blob sha256:"}},
		{"an archive with a changed layer", "x", write(t, "i.tar", tarFolder(t, damaged(t, flip(t)))), []string{"is damaged"}},
		{"an archive without a layer", "x", write(t, "i.tar", tarFolder(t, damaged(t, remove))), []string{"missing blob sha256:"}},
		{"docker save with a changed layer", "x", write(t, "s.tar", dockerOld(t, true)), []string{"layer.tar", "is damaged"}},
		{"an artifact", "x", writeLayout(t, artifact), []string{"no whole container image"}},
		{"an image of another system", "x", writeLayout(t, windows), []string{"no Linux image", "windows/amd64"}},
		{"an empty layout", "x", string(emptyLayout(t)), []string{"names no image"}},
		{"an unknown architecture", "x", "debian:bookworm/z80", []string{`no architecture "z80"`, "amd64", "arm/v7 (armhf)"}},
		{"a suite that is an option", "x", "debian:--help", []string{"debian:bookworm"}},
		{"no suite", "x", "debian:", []string{"debian:bookworm"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, _ := newAdder(t)
			mustAdd(t, a, "kept", write(t, "r.tar", mergedRoot(t)))
			before := blobCount(t, a)
			_, err := a.Add(t.Context(), c.ref, c.source)
			if err == nil {
				t.Fatal("no error")
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("error %q does not say %q", err, word)
				}
			}
			checkStore(t, a.Dir)
			if n := blobCount(t, a); n != before {
				t.Errorf("%d blobs after %d", n, before)
			}
		})
	}
}

func emptyLayout(t *testing.T) gcrlayout.Path {
	t.Helper()
	path, err := gcrlayout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAHostileArchiveWritesNothingOutside: names that would leave a folder, links to write through, and a table that
// names files outside.
func TestAHostileArchiveWritesNothingOutside(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	hex := strings.Repeat("a", 64)
	evil := []file{
		{name: "blobs/sha256/../../../../evil", content: []byte("x")},
		{name: filepath.Join(outside, "evil"), content: []byte("x")},
		{name: "blobs/sha256/" + hex, target: secret},
		{name: "blobs/sha256/link", target: outside},
		{name: "blobs/sha256/link/evil", content: []byte("x")},
		{name: "index.json", target: secret},
		{name: hex + "/device", kind: tar.TypeChar},
		{name: hex + "/layer.tar", target: secret, kind: tar.TypeLink},
	}
	digest := "sha256:" + hex
	for name, table := range map[string]file{
		"a layout": {name: "index.json", content: []byte(`{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",` +
			`"digest":"` + digest + `","size":6}]}`)},
		"a layout with a path as digest": {name: "index.json", content: []byte(`{"manifests":[{"mediaType":` +
			`"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../../../secret","size":6}]}`)},
		"a docker save archive": {name: "manifest.json", content: []byte(`[{"Config":"` + secret + `","Layers":["../../secret","` +
			hex + `/layer.tar"]}]`)},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newAdder(t)
			_, err := a.Add(t.Context(), "x", write(t, "evil.tar", makeTar(t, append([]file{{name: "oci-layout", content: []byte("{}")}}, append(evil, table)...)...)))
			if err == nil {
				t.Error("no error")
			}
			if got := fileNames(t, outside); len(got) != 1 {
				t.Errorf("outside lie %v", got)
			}
			if data, err := os.ReadFile(secret); err != nil || string(data) != "secret" {
				t.Errorf("the file outside is %q, %v", data, err)
			}
			if got := fileNames(t, filepath.Dir(a.Dir)); len(got) != 1 {
				t.Errorf("beside the store lie %v", got)
			}
			checkNoLeftovers(t, a.Dir)
		})
	}
}

func TestAnAddThatIsCancelledSaysSoAndLeavesNothing(t *testing.T) {
	a, _ := newAdder(t)
	if _, err := a.Add(cancelled(), "x", write(t, "r.tar", mergedRoot(t))); !errors.Is(err, context.Canceled) {
		t.Errorf("before: %v", err)
	}
	// The first note comes when the stage exists and nothing is read yet.
	ctx, cancel := context.WithCancel(t.Context())
	a.Progress = func(string) { cancel() }
	for form, source := range map[string]string{
		"tar": write(t, "r.tar", mergedRoot(t)), "folder": makeRootFolder(t), "layout": writeLayout(t, amd64Image(t)),
		"docker save": write(t, "s.tar", dockerOld(t, false)),
	} {
		if _, err := a.Add(ctx, "x", source); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", form, err)
		}
		checkNoLeftovers(t, a.Dir)
	}
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	file := write(t, "file", nil)
	a := &Adder{Dir: filepath.Join(file, "bases")}
	if _, err := a.Add(t.Context(), "x", write(t, "r.tar", mergedRoot(t))); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func TestXZThatIsMissingIsNamed(t *testing.T) {
	source := write(t, "r.tar.xz", pipeThrough(t, mergedRoot(t), "xz", "-c"))
	t.Setenv("PATH", t.TempDir())
	a, _ := newAdder(t)
	if _, err := a.Add(t.Context(), "x", source); err == nil || !strings.Contains(err.Error(), "apt-get install xz-utils") {
		t.Errorf("got %v", err)
	}
}
