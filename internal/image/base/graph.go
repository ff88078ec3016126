package base

import (
	"errors"
	"fmt"
	"slices"

	digest "github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Docker's own media types of the documents, which every tool takes beside OCI's.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerIndex    = "application/vnd.docker.distribution.manifest.list.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// maxDepth of indexes within indexes.
const maxDepth = 4

// graph is all that belongs to an image: every blob once, each after those that it names.
type graph struct {
	blobs []v1.Descriptor
	seen  map[digest.Digest]bool
	archs []string // of its Linux images, in their order
	other []string // "windows/amd64": platforms that no FROM can use here
}

func newGraph() *graph { return &graph{seen: map[digest.Digest]bool{}} }

// size in bytes of all blobs.
func (g *graph) size() int64 {
	var sum int64
	for _, b := range g.blobs {
		sum += b.Size
	}
	return sum
}

func (g *graph) add(d v1.Descriptor) {
	if !g.seen[d.Digest] {
		g.seen[d.Digest] = true
		g.blobs = append(g.blobs, d)
	}
}

// scan walks an image from its manifest or index down and checks that all blobs are there. Images of an index that are
// not whole are left out: archives of one platform keep the index of all. One Linux image must be whole.
func scan(l layout, d v1.Descriptor) (*graph, error) {
	g := newGraph()
	err := g.visit(l, d, 0)
	switch {
	case err != nil:
		return nil, err
	case len(g.archs) > 0:
		return g, nil
	case len(g.other) > 0:
		return nil, fmt.Errorf("there is no Linux image in it, only %v", g.other)
	default:
		return nil, errors.New("there is no whole container image in it")
	}
}

func (g *graph) visit(l layout, d v1.Descriptor, depth int) error {
	if g.seen[d.Digest] {
		return nil
	}
	switch d.MediaType {
	case v1.MediaTypeImageIndex, dockerIndex:
		return g.visitIndex(l, d, depth)
	case v1.MediaTypeImageManifest, dockerManifest:
		return g.visitManifest(l, d)
	default:
		if depth == 0 {
			return fmt.Errorf("media type %q is no container image", d.MediaType)
		}
		if err := l.check(d); err != nil {
			return err
		}
		g.add(d)
		return nil
	}
}

func (g *graph) visitIndex(l layout, d v1.Descriptor, depth int) error {
	if depth == maxDepth {
		return fmt.Errorf("indexes lie more than %d deep within each other", maxDepth)
	}
	var idx v1.Index
	if err := l.document(d, &idx); err != nil {
		return err
	}
	for _, child := range idx.Manifests {
		part := newGraph()
		err := part.visit(l, child, depth+1)
		if errors.Is(err, errMissing) {
			continue
		}
		if err != nil {
			return err
		}
		for _, b := range part.blobs {
			g.add(b)
		}
		g.archs = appendNew(g.archs, part.archs)
		g.other = appendNew(g.other, part.other)
	}
	g.add(d)
	return nil
}

func (g *graph) visitManifest(l layout, d v1.Descriptor) error {
	var m v1.Manifest
	if err := l.document(d, &m); err != nil {
		return err
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if err := l.check(b); err != nil {
			return err
		}
		g.add(b)
	}
	g.add(d)
	if m.Config.MediaType != v1.MediaTypeImageConfig && m.Config.MediaType != dockerConfig {
		return nil // an artifact: no container runs it
	}
	var config v1.Image
	if err := l.document(m.Config, &config); err != nil {
		return err
	}
	switch {
	case config.OS == "linux" && config.Architecture != "":
		g.archs = appendNew(g.archs, []string{platformArch(config.Platform)})
	case config.OS != "unknown": // "unknown" are signatures and attestations that look like images
		g.other = appendNew(g.other, []string{config.OS + "/" + config.Architecture})
	}
	return nil
}

// platformArch names an architecture as the list of bases does; a variant that says nothing is left out.
func platformArch(p v1.Platform) string {
	switch {
	case p.Architecture == "arm" && p.Variant == "":
		return "arm/v7"
	case p.Variant == "", p.Architecture == "arm64" && p.Variant == "v8", p.Architecture == "amd64" && p.Variant == "v1":
		return p.Architecture
	default:
		return p.Architecture + "/" + p.Variant
	}
}

func appendNew(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}
