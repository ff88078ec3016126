package base

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxWindow of a zstd stream in bytes: what `zstd --long` makes. It bounds the memory that a hostile one can ask for.
const maxWindow = 128 << 20

// bufferSize of the readers and writers that a whole layer passes through, in bytes.
const bufferSize = 256 << 10

// openPlain opens a file and undoes its compression, found by its content and not by its name.
func openPlain(ctx context.Context, path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	head := make([]byte, 6)
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r, err := plain(ctx, head[:n], file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

var (
	gzipMagic  = []byte{0x1f, 0x8b}
	zstdMagic  = []byte{0x28, 0xb5, 0x2f, 0xfd}
	bzip2Magic = []byte("BZh")
	xzMagic    = []byte("\xfd7zXZ\x00")
)

// layerType is the media type of a compressed layer.
func layerType(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(file, head); err != nil {
		return "", err
	}
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		return v1.MediaTypeImageLayerGzip, nil
	case bytes.HasPrefix(head, zstdMagic):
		return v1.MediaTypeImageLayerZstd, nil
	default:
		return "", errors.New("it is packed neither with gzip nor with zstd: no other compression of layers is known")
	}
}

func plain(ctx context.Context, head []byte, file *os.File) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(contextReader{ctx, file}, bufferSize)
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("read the gzip file: %w", err)
		}
		return stream{z, file.Close}, nil
	case bytes.HasPrefix(head, zstdMagic):
		z, err := zstd.NewReader(in, zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, fmt.Errorf("read the zstd file: %w", err)
		}
		return stream{z, func() error { z.Close(); return file.Close() }}, nil
	case bytes.HasPrefix(head, bzip2Magic):
		return stream{bzip2.NewReader(in), file.Close}, nil
	case bytes.HasPrefix(head, xzMagic):
		return openXZ(ctx, file)
	default:
		return stream{in, file.Close}, nil
	}
}

// stream is a reader and what it takes to be rid of it.
type stream struct {
	io.Reader
	close func() error
}

func (s stream) Close() error { return s.close() }

// xzStream is the output of the host's xz.
type xzStream struct {
	cmd    *exec.Cmd
	out    io.ReadCloser
	stderr bytes.Buffer
	file   *os.File
	stop   context.CancelFunc
	ended  bool
}

func openXZ(ctx context.Context, file *os.File) (io.ReadCloser, error) {
	program, err := exec.LookPath("xz")
	if err != nil {
		return nil, errors.New("it is packed with xz, and there is no program xz here: apt-get install xz-utils, or unpack it first")
	}
	ctx, stop := context.WithCancel(ctx)
	x := &xzStream{cmd: exec.CommandContext(ctx, program, "-dc"), file: file, stop: stop}
	x.cmd.Stdin, x.cmd.Stderr = file, &x.stderr
	if x.out, err = x.cmd.StdoutPipe(); err == nil {
		err = x.cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start xz: %w", err)
	}
	return x, nil
}

// Read ends with an error when xz did: a file that breaks off looks like a short one otherwise.
func (x *xzStream) Read(p []byte) (int, error) {
	n, err := x.out.Read(p)
	if errors.Is(err, io.EOF) && !x.ended {
		x.ended = true
		if werr := x.cmd.Wait(); werr != nil {
			return n, fmt.Errorf("unpack with xz: %w: %s", werr, strings.TrimSpace(x.stderr.String()))
		}
	}
	return n, err
}

// Close ends an xz that has not been read to its end.
func (x *xzStream) Close() error {
	x.stop()
	if !x.ended {
		x.ended = true
		_ = x.cmd.Wait() // killed just now: its status says nothing
	}
	return x.file.Close()
}
