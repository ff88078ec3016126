package base

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	gcr "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	gcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"caisson/internal/image/base/index"
)

// writeLayout makes an OCI layout folder of one image or index.
func writeLayout(t *testing.T, adds ...mutate.Appendable) string {
	t.Helper()
	dir := t.TempDir()
	path, err := gcrlayout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, add := range adds {
		switch add := add.(type) {
		case gcr.Image:
			err = path.AppendImage(add)
		case gcr.ImageIndex:
			err = path.AppendIndex(add)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func multiArch(t *testing.T) gcr.ImageIndex {
	t.Helper()
	var idx gcr.ImageIndex = empty.Index
	for _, p := range []gcr.Platform{
		{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "windows", Architecture: "amd64"}, {OS: "unknown", Architecture: "unknown"},
	} {
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{
			Add: randomImage(t, p), Descriptor: gcr.Descriptor{Platform: &p},
		})
	}
	return idx
}

func TestALayoutKeepsItsDigestInEveryForm(t *testing.T) {
	img, idx := amd64Image(t), multiArch(t)
	for _, c := range []struct {
		name, arch, digest string
		dir                string
	}{
		{"one image", "amd64", digestOf(t, img), writeLayout(t, img)},
		{"an index of several platforms", "amd64,arm/v7", digestOf(t, idx), writeLayout(t, idx)},
	} {
		plainTar := tarFolder(t, c.dir)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(plainTar); err != nil || z.Close() != nil {
			t.Fatal(err)
		}
		for form, source := range map[string]string{
			"folder": c.dir, "archive": write(t, "image.tar", plainTar), "packed archive": write(t, "image", packed.Bytes()),
		} {
			t.Run(c.name+" as "+form, func(t *testing.T) {
				a, _ := newAdder(t)
				e := mustAdd(t, a, "my/tool", source)
				if e.Digest != c.digest || e.Arch != c.arch || e.Ref != "docker.io/my/tool:latest" || e.Source != source {
					t.Errorf("got %+v, want digest %s", e, c.digest)
				}
				listed, err := index.Read(a.Dir)
				if found, ok := index.Lookup(listed, "my/tool:latest"); err != nil || !ok || found != e {
					t.Errorf("the list has %+v (%v), want %+v", listed, err, e)
				}
			})
		}
	}
}

func TestPlatformsSideBySideInALayoutBecomeAnIndex(t *testing.T) {
	dir := t.TempDir()
	path, err := gcrlayout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []gcr.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}} {
		if err := path.AppendImage(randomImage(t, p), gcrlayout.WithPlatform(p)); err != nil {
			t.Fatal(err)
		}
	}
	for form, source := range map[string]string{"folder": dir, "archive": write(t, "x.tar", tarFolder(t, dir))} {
		t.Run(form, func(t *testing.T) {
			a, _ := newAdder(t)
			raw, err := os.ReadFile(filepath.Join(dir, "index.json"))
			if err != nil {
				t.Fatal(err)
			}
			if e := mustAdd(t, a, "x", source); e.Arch != "amd64,arm64" || e.Digest != fmt.Sprintf("sha256:%x", sha256.Sum256(raw)) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestAnIndexKeepsItsDigestWhenOnlyOnePlatformIsThere(t *testing.T) {
	idx := multiArch(t)
	dir := writeLayout(t, idx)
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests[1:] {
		if err := os.Remove(filepath.Join(dir, "blobs", "sha256", d.Digest.Hex)); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := newAdder(t)
	if e := mustAdd(t, a, "x", dir); e.Arch != "amd64" || e.Digest != digestOf(t, idx) {
		t.Errorf("got %+v", e)
	}
}

// named is a layout of two images whose names are noted the way Docker does it.
func named(t *testing.T, first, second gcr.Image) string {
	t.Helper()
	path, err := gcrlayout.Write(t.TempDir(), empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	for name, img := range map[string]gcr.Image{"docker.io/library/first:1": first, "docker.io/library/second:2": second} {
		if err := path.AppendImage(img, gcrlayout.WithAnnotations(map[string]string{dockerName: name})); err != nil {
			t.Fatal(err)
		}
	}
	return string(path)
}

func TestOfSeveralImagesTheOneOfThatNameIsTaken(t *testing.T) {
	first, second := amd64Image(t), amd64Image(t)
	var saved bytes.Buffer
	if err := tarball.MultiWrite(map[name.Tag]gcr.Image{
		name.MustParseReference("first:1").(name.Tag): first, name.MustParseReference("second:2").(name.Tag): second,
	}, &saved); err != nil {
		t.Fatal(err)
	}
	for form, source := range map[string]string{"layout": named(t, first, second), "docker save": write(t, "s.tar", saved.Bytes())} {
		t.Run(form, func(t *testing.T) {
			a, _ := newAdder(t)
			want, err := second.ConfigName()
			if err != nil {
				t.Fatal(err)
			}
			got, err := image(t, a, mustAdd(t, a, "second:2", source)).ConfigName()
			if err != nil || got != want {
				t.Errorf("got the image of config %s (%v), want %s", got, err, want)
			}
			_, err = a.Add(t.Context(), "third", source)
			if err == nil || !strings.Contains(err.Error(), "first:1") || !strings.Contains(err.Error(), "second:2") {
				t.Errorf("an unknown name gets the error %v", err)
			}
			checkStore(t, a.Dir)
		})
	}
}

func TestDockerSaveAsGoContainerregistryWritesIt(t *testing.T) {
	img := amd64Image(t)
	file := filepath.Join(t.TempDir(), "saved.tar")
	if err := tarball.WriteToFile(file, name.MustParseReference("saved:1"), img); err != nil {
		t.Fatal(err)
	}
	a, _ := newAdder(t)
	got := image(t, a, mustAdd(t, a, "saved:1", file))
	checkSameContent(t, got, img)
}

// checkSameContent: configs are equal, and with them the digests of the plain layers, which checkStore verifies.
func checkSameContent(t *testing.T, got, want gcr.Image) {
	t.Helper()
	g, gerr := got.ConfigName()
	w, werr := want.ConfigName()
	if g != w || gerr != nil || werr != nil {
		t.Errorf("config %s (%v), want %s (%v)", g, gerr, w, werr)
	}
}

// dockerOld is what docker save wrote until version 24: folders of plain layers, a repeated layer as a link.
func dockerOld(t *testing.T, damage bool) []byte {
	t.Helper()
	one := makeTar(t, file{name: "etc/one", content: []byte("1")})
	two := makeTar(t, file{name: "etc/two", content: []byte("2")})
	id := func(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": "arm64", "config": map[string]any{"Cmd": []string{"/bin/one"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + id(one), "sha256:" + id(two), "sha256:" + id(one)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second, third := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	table, err := json.Marshal([]savedImage{{
		Config: id(config) + ".json", RepoTags: []string{"x:1"},
		Layers: []string{first + "/layer.tar", second + "/layer.tar", third + "/layer.tar"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if damage {
		two[600] ^= 1
	}
	return makeTar(t,
		file{name: first + "/"}, file{name: first + "/VERSION", content: []byte("1.0")}, file{name: first + "/layer.tar", content: one},
		file{name: second + "/layer.tar", content: two}, file{name: third + "/layer.tar", target: "../" + first + "/layer.tar"},
		file{name: id(config) + ".json", content: config}, file{name: "manifest.json", content: table},
		file{name: "repositories", content: []byte("{}")},
	)
}

func TestDockerSaveOfTheOldForm(t *testing.T) {
	a, _ := newAdder(t)
	e := mustAdd(t, a, "x", write(t, "saved.tar", dockerOld(t, false)))
	layers, err := image(t, a, e).Layers()
	if err != nil || len(layers) != 3 || e.Arch != "arm64" {
		t.Errorf("%d layers, %v; %+v", len(layers), err, e)
	}
}

func TestDockerSaveOfTheNewFormIsReadAsALayout(t *testing.T) {
	img := amd64Image(t)
	dir := writeLayout(t, img)
	// A manifest.json that names nothing that is there shows that it was not used.
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), []byte(`[{"Config":"none"}]`), 0o644); err != nil {
		t.Fatal(err)
	}
	a, _ := newAdder(t)
	if e := mustAdd(t, a, "x", write(t, "saved.tar", tarFolder(t, dir))); e.Digest != digestOf(t, img) {
		t.Errorf("got %+v, want %s", e, digestOf(t, img))
	}
}
