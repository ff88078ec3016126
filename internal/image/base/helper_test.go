package base

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	gcr "github.com/google/go-containerregistry/pkg/v1"
	gcrlayout "github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"caisson/internal/image/base/index"
)

// notes records what an add tells.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

func newAdder(t *testing.T) (*Adder, *notes) {
	t.Helper()
	n := &notes{}
	return &Adder{Dir: filepath.Join(t.TempDir(), "store [1]", "bases"), Progress: n.add}, n
}

func mustAdd(t *testing.T, a *Adder, ref, source string) index.Entry {
	t.Helper()
	e, err := a.Add(t.Context(), ref, source)
	if err != nil {
		t.Fatalf("add %s from %s: %v", ref, source, err)
	}
	checkStore(t, a.Dir)
	return e
}

// checkStore reads the whole store with go-containerregistry, which knows nothing of ours, and looks for leftovers.
func checkStore(t *testing.T, dir string) {
	t.Helper()
	idx, err := gcrlayout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := idx.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		if d.MediaType.IsImage() {
			img, err := idx.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			checkImage(t, img)
		}
	}
	checkNoLeftovers(t, dir)
}

// checkImage compares every digest of an image with its content. (Package validate of go-containerregistry would, but
// takes every layer for gzip.)
func checkImage(t *testing.T, img gcr.Image) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := img.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := img.ConfigName(); err != nil || name.String() != sumOf(t, bytes.NewReader(raw)) {
		t.Errorf("the config has not the digest %s (%v)", name, err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != len(config.RootFS.DiffIDs) {
		t.Fatalf("%d layers and %d in the config, %v", len(layers), len(config.RootFS.DiffIDs), err)
	}
	for i, l := range layers {
		packed, err := l.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		if want := digestOf(t, l); sumOf(t, packed) != want {
			t.Errorf("layer %d has not the digest %s", i, want)
		}
		unpacked, err := l.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		if want := config.RootFS.DiffIDs[i].String(); sumOf(t, unpacked) != want {
			t.Errorf("layer %d unpacked has not the digest %s", i, want)
		}
	}
}

func sumOf(t *testing.T, r io.Reader) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

func checkNoLeftovers(t *testing.T, dir string) {
	t.Helper()
	known := map[string]bool{"blobs": true, "index.json": true, "bases.json": true, "oci-layout": true, "lock": true}
	for _, name := range fileNames(t, dir) {
		if !known[name] {
			t.Errorf("%s is left in the store", name)
		}
	}
	st := &store{layout: layout(dir), note: func(string) {}}
	cat, err := st.load()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, d := range cat.index.Manifests {
		g, err := scan(st.layout, d)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range g.blobs {
			used[b.Digest.Encoded()] = true
		}
	}
	for _, name := range fileNames(t, st.layout.blobs()) {
		if !used[name] {
			t.Errorf("blob %s belongs to no base", name)
		}
	}
}

func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// randomImage is an image for a platform.
func randomImage(t *testing.T, p gcr.Platform) gcr.Image {
	t.Helper()
	img, err := random.Image(2000, 3)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant = p.OS, p.Architecture, p.Variant
	if img, err = mutate.ConfigFile(img, config); err != nil {
		t.Fatal(err)
	}
	return img
}

func amd64Image(t *testing.T) gcr.Image {
	t.Helper()
	return randomImage(t, gcr.Platform{OS: "linux", Architecture: "amd64"})
}

func digestOf(t *testing.T, of interface{ Digest() (gcr.Hash, error) }) string {
	t.Helper()
	h, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// image opens a base of the store.
func image(t *testing.T, a *Adder, e index.Entry) gcr.Image {
	t.Helper()
	idx, err := gcrlayout.ImageIndexFromPath(a.Dir)
	if err != nil {
		t.Fatal(err)
	}
	h, err := gcr.NewHash(e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	img, err := idx.Image(h)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// rootTarOf lists the entries of an image's only layer by name.
func rootTarOf(t *testing.T, img gcr.Image) (map[string]*tar.Header, map[string]string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	headers, contents := map[string]*tar.Header{}, map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return headers, contents
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		headers[name] = h
		if h.Size < 1<<16 {
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			contents[name] = string(data)
		}
	}
}

// file is an entry of a tar to be made. A target makes it a symbolic link.
type file struct {
	name, target string
	content      []byte
	mode         int64
	kind         byte
}

func makeTar(t *testing.T, files ...file) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Linkname: f.target, Size: int64(len(f.content)), Mode: f.mode, Typeflag: f.kind}
		if h.Mode == 0 {
			h.Mode = 0o755
		}
		switch {
		case h.Typeflag != 0:
		case f.target != "":
			h.Typeflag = tar.TypeSymlink
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		default:
			h.Typeflag = tar.TypeReg
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// tarFolder packs a folder as `tar -C dir -cf out .` does, names beginning with "./".
func tarFolder(t *testing.T, dir string) []byte {
	t.Helper()
	files := []file{{name: "./"}}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files = append(files, file{name: "./" + rel, content: data, mode: 0o644})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return makeTar(t, files...)
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// program is the head of an ELF file, which is all that is looked at.
func program(m elf.Machine, class elf.Class, data elf.Data, flags uint32) []byte {
	b := make([]byte, elfHeader)
	copy(b, elf.ELFMAG)
	b[elf.EI_CLASS], b[elf.EI_DATA] = byte(class), byte(data)
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	order.PutUint16(b[18:], uint16(m))
	if class == elf.ELFCLASS64 {
		order.PutUint32(b[48:], flags)
	} else {
		order.PutUint32(b[36:], flags)
	}
	return b
}

func amd64Program() []byte { return program(elf.EM_X86_64, elf.ELFCLASS64, elf.ELFDATA2LSB, 0) }

// mergedRoot is a root file system whose /bin is a link, as Debian's.
func mergedRoot(t *testing.T) []byte {
	t.Helper()
	return makeTar(t,
		file{name: "./"}, file{name: "./bin", target: "usr/bin"}, file{name: "./usr/"}, file{name: "./usr/bin/"},
		file{name: "./usr/bin/sh", target: "dash"}, file{name: "./usr/bin/dash", content: amd64Program()},
		file{name: "./etc/os-release", content: []byte("ID=test\n"), mode: 0o644},
	)
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
