package base

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"caisson/internal/image/base/index"
)

// dockerSaveList is the table of contents of a docker save archive (Docker's image specification 1.2 and later).
const dockerSaveList = "manifest.json"

// savedImage is one image of that table. Config and Layers are names in the archive.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// fillFromDockerSave makes an OCI manifest for an image of the old form, which has none. Layers stay as they are.
func (s *stage) fillFromDockerSave(ctx context.Context, a *archive, want string) (v1.Descriptor, error) {
	image, err := chooseSaved(a.documents[dockerSaveList], want)
	if err != nil {
		return v1.Descriptor{}, err
	}
	config, found := a.find(image.Config)
	if !found {
		return v1.Descriptor{}, fmt.Errorf("its manifest.json names a config %q that is not in it", image.Config)
	}
	config.MediaType = v1.MediaTypeImageConfig
	var parsed v1.Image
	if err := s.layout.document(config, &parsed); err != nil {
		return v1.Descriptor{}, err
	}
	if len(parsed.RootFS.DiffIDs) != len(image.Layers) {
		return v1.Descriptor{}, fmt.Errorf("it is damaged: %d layers, but its config names %d", len(image.Layers), len(parsed.RootFS.DiffIDs))
	}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config}
	for i, name := range image.Layers {
		layer, found := a.find(name)
		if !found {
			return v1.Descriptor{}, fmt.Errorf("its manifest.json names a layer %q that is not in it", name)
		}
		if layer.MediaType, err = s.savedLayer(ctx, layer, parsed.RootFS.DiffIDs[i]); err != nil {
			return v1.Descriptor{}, fmt.Errorf("layer %s: %w", name, err)
		}
		m.Layers = append(m.Layers, layer)
	}
	return s.layout.putJSON(v1.MediaTypeImageManifest, m)
}

// savedLayer returns a layer's media type and verifies that it unpacks to what the config says: this form has no other
// checksum.
func (s *stage) savedLayer(ctx context.Context, layer v1.Descriptor, diffID digest.Digest) (string, error) {
	if layer.Digest == diffID {
		return v1.MediaTypeImageLayer, nil
	}
	path, err := s.layout.blob(layer.Digest)
	if err != nil {
		return "", err
	}
	in, err := openPlain(ctx, path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := digest.SHA256.Digester()
	if _, err := io.Copy(h.Hash(), in); err != nil {
		return "", err
	}
	if h.Digest() != diffID {
		return "", fmt.Errorf("it is damaged: its content has the digest %s, not %s", h.Digest(), diffID)
	}
	return layerType(path)
}

func chooseSaved(raw []byte, want string) (savedImage, error) {
	var images []savedImage
	if err := json.Unmarshal(raw, &images); err != nil {
		return savedImage{}, fmt.Errorf("read its manifest.json: %w", err)
	}
	if len(images) == 0 {
		return savedImage{}, errors.New("its manifest.json names no image")
	}
	if len(images) == 1 {
		return images[0], nil
	}
	var names []string
	for _, image := range images {
		for _, tag := range image.RepoTags {
			if full, err := index.Normalize(tag); err == nil && full == want {
				return image, nil
			}
		}
		names = append(names, strings.Join(image.RepoTags, " "))
	}
	return savedImage{}, severalImages(len(images), names, want)
}
