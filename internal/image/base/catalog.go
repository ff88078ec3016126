package base

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"caisson/internal/image/base/index"
)

// Annotations of a descriptor in index.json, beside OCI's name of the reference: what bases.json says of it.
const (
	noteArch    = "caisson.base.arch"
	noteSize    = "caisson.base.size" // bytes
	noteCreated = "caisson.base.created"
	noteSource  = "caisson.base.source"
)

// catalog is the content of index.json: one descriptor per base.
type catalog struct{ index v1.Index }

func newCatalog() *catalog {
	return &catalog{v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{},
	}}
}

// load reads index.json. One that cannot be read is moved aside and made anew from bases.json and the blobs.
func (st *store) load() (*catalog, error) {
	file := filepath.Join(string(st.layout), v1.ImageIndexFile)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return st.recover()
	}
	if err != nil {
		return nil, fmt.Errorf("read the store of bases: %w", err)
	}
	cat := newCatalog()
	if err := json.Unmarshal(data, &cat.index); err != nil {
		aside := file + ".damaged"
		st.note(fmt.Sprintf("%s cannot be read (%v): it is now %s, and the bases are found again", file, err, filepath.Base(aside)))
		if err := os.Rename(file, aside); err != nil {
			return nil, fmt.Errorf("move a damaged index aside: %w", err)
		}
		return st.recover()
	}
	return cat, nil
}

// recover makes a catalog from the light list, without the bases whose blob is gone.
func (st *store) recover() (*catalog, error) {
	cat := newCatalog()
	entries, err := index.Read(string(st.layout))
	if err != nil {
		st.note(fmt.Sprintf("%v: the bases must be added again", err))
		return cat, nil
	}
	for _, e := range entries {
		path, err := st.layout.blob(digest.Digest(e.Digest))
		if err != nil {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var head struct {
			MediaType string            `json:"mediaType"`
			Manifests []json.RawMessage `json:"manifests"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			continue
		}
		d := v1.Descriptor{MediaType: head.MediaType, Digest: digest.Digest(e.Digest), Size: int64(len(data))}
		if d.MediaType == "" { // optional in OCI's documents
			d.MediaType = v1.MediaTypeImageManifest
			if head.Manifests != nil {
				d.MediaType = v1.MediaTypeImageIndex
			}
		}
		cat.put(d, e)
	}
	return cat, nil
}

// save writes index.json and then the light list, so that the list never names what is not there.
func (st *store) save(cat *catalog) error {
	for _, f := range []struct {
		name    string
		content any
	}{{v1.ImageIndexFile, cat.index}, {index.FileName, cat.entries()}} {
		data, err := json.MarshalIndent(f.content, "", "  ")
		if err == nil {
			err = writeFile(filepath.Join(string(st.layout), f.name), append(data, '\n'))
		}
		if err != nil {
			return fmt.Errorf("write the store of bases: %w", err)
		}
	}
	return nil
}

// put sets the image of a base.
func (c *catalog) put(d v1.Descriptor, e index.Entry) {
	c.remove(e.Ref)
	c.index.Manifests = append(c.index.Manifests, v1.Descriptor{
		MediaType: d.MediaType,
		Digest:    d.Digest,
		Size:      d.Size,
		Annotations: map[string]string{
			v1.AnnotationRefName: e.Ref,
			noteArch:             e.Arch,
			noteSize:             strconv.FormatInt(e.Size, 10),
			noteCreated:          e.Created.Format(time.RFC3339),
			noteSource:           e.Source,
		},
	})
}

func (c *catalog) remove(ref string) {
	c.index.Manifests = slices.DeleteFunc(c.index.Manifests, func(d v1.Descriptor) bool {
		return d.Annotations[v1.AnnotationRefName] == ref
	})
}

// entries is the light list, sorted by reference. A note that does not parse is left at zero: it is for people.
func (c *catalog) entries() []index.Entry {
	list := []index.Entry{}
	for _, d := range c.index.Manifests {
		size, _ := strconv.ParseInt(d.Annotations[noteSize], 10, 64)
		created, _ := time.Parse(time.RFC3339, d.Annotations[noteCreated])
		list = append(list, index.Entry{
			Ref:     d.Annotations[v1.AnnotationRefName],
			Digest:  d.Digest.String(),
			Arch:    d.Annotations[noteArch],
			Size:    size,
			Created: created,
			Source:  d.Annotations[noteSource],
		})
	}
	slices.SortFunc(list, func(a, b index.Entry) int { return strings.Compare(a.Ref, b.Ref) })
	return list
}
