package base

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	digest "github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxDocument bounds what is read into memory of an index, a manifest or a config, in bytes. Registries take 4 MiB.
const maxDocument = 16 << 20

// errMissing: a blob that a descriptor names is not in the layout.
var errMissing = errors.New("missing blob")

// layout is the folder of an OCI image layout: the store, an add in the making, or a source.
type layout string

// blobs is the folder of the blobs; caisson keeps sha256 ones only.
func (l layout) blobs() string {
	return filepath.Join(string(l), v1.ImageBlobsDir, string(digest.SHA256))
}

// blob is the path of a blob. The digest is the image's word and checked before it becomes a path.
func (l layout) blob(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("digest %q: %w", d, err)
	}
	if d.Algorithm() != digest.SHA256 {
		return "", fmt.Errorf("digest %q: only sha256 is known", d)
	}
	return filepath.Join(l.blobs(), d.Encoded()), nil
}

// check finds the blob of a descriptor in its right size. A blob that is not there is errMissing.
func (l layout) check(d v1.Descriptor) error {
	path, err := l.blob(d.Digest)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w %s", errMissing, d.Digest)
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("blob %s is no file", d.Digest)
	case info.Size() != d.Size:
		return fmt.Errorf("blob %s is damaged: it has %d bytes instead of %d", d.Digest, info.Size(), d.Size)
	}
	return nil
}

// document reads an index, manifest or config and verifies its digest.
func (l layout) document(d v1.Descriptor, into any) error {
	if err := l.check(d); err != nil {
		return err
	}
	if d.Size > maxDocument {
		return fmt.Errorf("%s %s is too large: %d bytes", d.MediaType, d.Digest, d.Size)
	}
	path, err := l.blob(d.Digest)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if digest.FromBytes(data) != d.Digest {
		return fmt.Errorf("blob %s is damaged: its content has another digest", d.Digest)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read %s %s: %w", d.MediaType, d.Digest, err)
	}
	return nil
}

// copyBlob takes a blob over from another layout and verifies it on the way.
func (l layout) copyBlob(ctx context.Context, from layout, d v1.Descriptor) error {
	path, err := from.blob(d.Digest)
	if err != nil {
		return err
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = l.put(contextReader{ctx, in}, d.Digest)
	return err
}

// put writes a blob. With want, any other content is an error and leaves nothing.
func (l layout) put(r io.Reader, want digest.Digest) (v1.Descriptor, error) {
	w, err := l.create()
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer w.abort()
	if _, err := io.Copy(w, r); err != nil {
		return v1.Descriptor{}, err
	}
	if got := w.sum(); want != "" && got != want {
		return v1.Descriptor{}, fmt.Errorf("blob %s is damaged: its content has the digest %s", want, got)
	}
	return w.finish()
}

// putJSON writes a document as a blob.
func (l layout) putJSON(mediaType string, v any) (v1.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d, err := l.put(bytes.NewReader(data), "")
	d.MediaType = mediaType
	return d, err
}

// blobWriter computes the digest of a blob while it is written; the blob gets its name when it is whole.
type blobWriter struct {
	layout layout
	file   *os.File // nil once finished or aborted
	hash   hash.Hash
	size   int64
}

func (l layout) create() (*blobWriter, error) {
	file, err := os.CreateTemp(string(l), "blob-")
	if err != nil {
		return nil, err
	}
	return &blobWriter{layout: l, file: file, hash: digest.SHA256.Hash()}, nil
}

func (w *blobWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	return n, err
}

func (w *blobWriter) sum() digest.Digest { return digest.NewDigest(digest.SHA256, w.hash) }

// finish makes the blob durable before it gets its name: after a power cut, a digest never names other content.
func (w *blobWriter) finish() (v1.Descriptor, error) {
	d := v1.Descriptor{Digest: w.sum(), Size: w.size}
	path, err := w.layout.blob(d.Digest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	if err := w.file.Sync(); err != nil {
		return v1.Descriptor{}, err
	}
	if err := w.file.Chmod(0o644); err != nil {
		return v1.Descriptor{}, err
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return v1.Descriptor{}, err
	}
	err = w.file.Close()
	w.file = nil
	return d, err
}

// abort drops a blob that was not finished.
func (w *blobWriter) abort() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
	}
}

// contextReader ends a long copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
