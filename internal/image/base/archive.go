package base

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"caisson/internal/image/base/index"
)

// dockerName is where Docker and containerd note the reference of an image in an index.json.
const dockerName = "io.containerd.image.name"

// fillFromLayout takes an image over from an OCI layout folder.
func (s *stage) fillFromLayout(ctx context.Context, want string, from layout) (v1.Descriptor, error) {
	s.note("reading the OCI layout " + string(from))
	raw, err := os.ReadFile(filepath.Join(string(from), v1.ImageIndexFile))
	if err != nil {
		return v1.Descriptor{}, err
	}
	d, err := s.choose(raw, want)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("%s: %w", from, err)
	}
	if d.Digest == digest.FromBytes(raw) { // the whole index.json: its own blob lies in the stage
		if err := s.copyIndexed(ctx, from, raw); err != nil {
			return v1.Descriptor{}, fmt.Errorf("%s: %w", from, err)
		}
		return d, nil
	}
	return d, s.copyImage(ctx, from, d)
}

// copyImage takes all blobs of an image over, verifying each.
func (s *stage) copyImage(ctx context.Context, from layout, d v1.Descriptor) error {
	g := newGraph()
	if err := g.visit(from, d, 0); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, b := range g.blobs {
		if err := s.layout.copyBlob(ctx, from, b); err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
	}
	return nil
}

func (s *stage) copyIndexed(ctx context.Context, from layout, raw []byte) error {
	var idx v1.Index
	if err := json.Unmarshal(raw, &idx); err != nil {
		return err
	}
	for _, d := range idx.Manifests {
		// A platform that is not whole is left out, as scan does.
		if err := s.copyImage(ctx, from, d); err != nil && !errors.Is(err, errMissing) {
			return err
		}
	}
	return nil
}

// choose finds the image that is meant in an index.json: the only one, the one of the wanted name, or all of them when
// they are one image for several platforms. In the last case the index becomes a blob of the stage.
func (s *stage) choose(raw []byte, want string) (v1.Descriptor, error) {
	var idx v1.Index
	if err := json.Unmarshal(raw, &idx); err != nil {
		return v1.Descriptor{}, fmt.Errorf("read its index.json: %w", err)
	}
	if len(idx.Manifests) == 0 {
		return v1.Descriptor{}, errors.New("its index.json names no image")
	}
	if len(idx.Manifests) == 1 {
		return idx.Manifests[0], nil
	}
	var names []string
	platforms := true
	for _, d := range idx.Manifests {
		if isNamed(d, want) {
			return d, nil
		}
		platforms = platforms && d.Platform != nil
		if name := descriptorName(d); name != "" {
			names = appendNew(names, []string{name})
		}
	}
	if platforms && len(names) <= 1 {
		d, err := s.layout.put(bytes.NewReader(raw), "")
		d.MediaType = v1.MediaTypeImageIndex
		return d, err
	}
	return v1.Descriptor{}, severalImages(len(idx.Manifests), names, want)
}

func severalImages(count int, names []string, want string) error {
	if len(names) == 0 {
		names = []string{"without names"}
	}
	return fmt.Errorf("there are %d images in it (%s) and none is called %s: add one by its own name, or save it alone",
		count, strings.Join(names, ", "), want)
}

func descriptorName(d v1.Descriptor) string {
	if name := d.Annotations[dockerName]; name != "" {
		return name
	}
	return d.Annotations[v1.AnnotationRefName]
}

// isNamed: an annotation is the wanted reference in any form, or its tag alone, as OCI would have it.
func isNamed(d v1.Descriptor, want string) bool {
	for _, name := range []string{d.Annotations[dockerName], d.Annotations[v1.AnnotationRefName]} {
		full, err := index.Normalize(name)
		if err == nil && full == want || name != "" && strings.HasSuffix(want, ":"+name) {
			return true
		}
	}
	return false
}

// archive is what the entries of an image archive became. None of its names ever is a path here: blobs are named by
// their digests, the rest is looked up in these maps.
type archive struct {
	documents map[string][]byte        // the few files that say what is in it
	files     map[string]v1.Descriptor // all other files, as blobs of the stage
	links     map[string]string        // name to name: docker save has a layer that repeats only once
}

// fillFromArchive takes an image over from the tar of an OCI layout or of docker save. What is both is read as the
// former.
func (s *stage) fillFromArchive(ctx context.Context, want, file string, in io.Reader) (v1.Descriptor, error) {
	a, err := s.unpack(tar.NewReader(in))
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("read %s: %w", file, err)
	}
	var d v1.Descriptor
	switch {
	case a.documents[v1.ImageIndexFile] != nil:
		d, err = s.choose(a.documents[v1.ImageIndexFile], want)
	case a.documents[dockerSaveList] != nil:
		d, err = s.fillFromDockerSave(ctx, a, want)
	default:
		return d, &notImage{file, "the tar holds neither index.json (OCI archive) nor manifest.json (docker save archive)"}
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

func (s *stage) unpack(tr *tar.Reader) (*archive, error) {
	a := &archive{documents: map[string][]byte{}, files: map[string]v1.Descriptor{}, links: map[string]string{}}
	documents := []string{v1.ImageIndexFile, v1.ImageLayoutFile, dockerSaveList}
	blobs := v1.ImageBlobsDir + "/" + string(digest.SHA256) + "/"
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean(h.Name)
		switch {
		case h.Typeflag == tar.TypeSymlink:
			a.links[name] = path.Join(path.Dir(name), h.Linkname)
		case h.Typeflag == tar.TypeLink:
			a.links[name] = path.Clean(h.Linkname)
		case h.Typeflag != tar.TypeReg:
		case slices.Contains(documents, name):
			if a.documents[name], err = io.ReadAll(io.LimitReader(tr, maxDocument)); err != nil {
				return nil, err
			}
		default:
			var want digest.Digest
			if hex, found := strings.CutPrefix(name, blobs); found && digest.SHA256.Validate(hex) == nil {
				want = digest.NewDigestFromEncoded(digest.SHA256, hex)
			}
			if a.files[name], err = s.layout.put(tr, want); err != nil {
				return nil, err
			}
		}
	}
}

// find follows links by name.
func (a *archive) find(name string) (v1.Descriptor, bool) {
	name = path.Clean(name)
	for range 8 {
		if d, found := a.files[name]; found {
			return d, true
		}
		next, linked := a.links[name]
		if !linked {
			break
		}
		name = next
	}
	return v1.Descriptor{}, false
}
