package base

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"runtime"

	"github.com/klauspost/compress/zstd"
	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// defaultPath is the PATH of an image that says nothing else, as Docker's official images have it.
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// layerWriter packs a layer. It is zstd at its fastest level: on a Debian of 162 MiB that takes as long as writing it
// plain (0.6 s), makes a third of it (53 MiB) and is read in 0.25 s, once. gzip at its fastest takes 1.6 s for 66 MiB.
type layerWriter struct {
	blob *blobWriter
	zstd *zstd.Encoder // nil once closed
	diff hash.Hash     // of the plain tar
}

func (l layout) createLayer() (*layerWriter, error) {
	blob, err := l.create()
	if err != nil {
		return nil, err
	}
	// Two goroutines: the result does not depend on the machine.
	z, err := zstd.NewWriter(blob, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		blob.abort()
		return nil, err
	}
	return &layerWriter{blob: blob, zstd: z, diff: digest.SHA256.Hash()}, nil
}

func (w *layerWriter) Write(p []byte) (int, error) {
	w.diff.Write(p)
	return w.zstd.Write(p)
}

func (w *layerWriter) finish() (layer v1.Descriptor, diffID digest.Digest, err error) {
	err = w.zstd.Close()
	w.zstd = nil
	if err != nil {
		return layer, "", err
	}
	layer, err = w.blob.finish()
	layer.MediaType = v1.MediaTypeImageLayerZstd
	return layer, digest.NewDigest(digest.SHA256, w.diff), err
}

// abort ends a layer that was not finished; its encoder must be closed to end its goroutines.
func (w *layerWriter) abort() {
	if w.zstd != nil {
		_ = w.zstd.Close()
	}
	w.blob.abort()
}

// fillFromRootTar makes an image of one layer from the tar of a root file system. The bytes of the tar go into the
// layer as they are, so that nothing that a tar can say is lost; they are only looked at on the way. Whether names in it
// are wicked is for those who unpack layers, as with layers from a registry.
func (s *stage) fillFromRootTar(in io.Reader) (v1.Descriptor, error) {
	return s.fillFromRoot(in, v1.Platform{})
}

// fillFromRoot is fillFromRootTar for a known platform; a zero one is found from the programs in it.
func (s *stage) fillFromRoot(in io.Reader, p v1.Platform) (v1.Descriptor, error) {
	w, err := s.layout.createLayer()
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer w.abort()
	look := newInspector()
	buffered := bufio.NewReaderSize(io.TeeReader(in, w), bufferSize)
	tr := tar.NewReader(buffered)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return v1.Descriptor{}, fmt.Errorf("read the tar of the root file system: %w", err)
		}
		if err := look.entry(h, tr); err != nil {
			return v1.Descriptor{}, fmt.Errorf("read %s in the tar of the root file system: %w", h.Name, err)
		}
		if path.Clean(h.Name) == "." && h.FileInfo().Mode().Perm()&0o005 != 0o005 {
			s.note(fmt.Sprintf("the top folder of it has mode %#o: users other than root will see nothing in it", h.FileInfo().Mode().Perm()))
		}
	}
	if _, err := io.Copy(io.Discard, buffered); err != nil { // the padding behind the end mark
		return v1.Descriptor{}, err
	}
	layer, diffID, err := w.finish()
	if err != nil {
		return v1.Descriptor{}, err
	}
	if p.Architecture == "" {
		p = s.platformOf(look)
	}
	return s.putRootImage(layer, diffID, p, look.shell())
}

func (s *stage) platformOf(look *inspector) v1.Platform {
	p, found := look.platform()
	if !found {
		p = v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
		s.note("no program in it tells its architecture: taken for " + platformArch(p))
	}
	return p
}

// putRootImage writes config and manifest. Neither holds a time or a path of this machine: the same root file system
// always has the same digest.
func (s *stage) putRootImage(layer v1.Descriptor, diffID digest.Digest, p v1.Platform, shell string) (v1.Descriptor, error) {
	config, err := s.layout.putJSON(v1.MediaTypeImageConfig, v1.Image{
		Platform: p,
		Config:   v1.ImageConfig{Env: []string{defaultPath}, Cmd: []string{shell}},
		RootFS:   v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History:  []v1.History{{CreatedBy: "caisson base add"}},
	})
	if err != nil {
		return v1.Descriptor{}, err
	}
	return s.layout.putJSON(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    config,
		Layers:    []v1.Descriptor{layer},
	})
}

// fillFromRootFolder packs a folder; except is left out of it, wherever it lies, and the caller's own files become root's.
func (s *stage) fillFromRootFolder(ctx context.Context, dir, except string, caller int) (v1.Descriptor, error) {
	s.note("packing the root file system " + dir)
	r, w := io.Pipe()
	var g errgroup.Group
	g.Go(func() error {
		err := packFolder(ctx, dir, except, caller, w)
		w.CloseWithError(err) // nil is the end of the tar
		return err
	})
	d, err := s.fillFromRoot(r, v1.Platform{})
	r.CloseWithError(err) // ends a writer whose reader gave up
	if werr := g.Wait(); err == nil {
		err = werr
	}
	return d, err
}
