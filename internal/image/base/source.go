package base

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// sourceForms is what a message says when a source is none of them.
const sourceForms = "a source is an OCI layout (folder or archive), a docker save archive, a root file system " +
	"(folder or tar), debian:SUITE[/ARCH] or ubuntu:SUITE[/ARCH]"

// notImage says what was looked for in a source and not found.
type notImage struct{ what, why string }

func (e *notImage) Error() string {
	return fmt.Sprintf("%s is no image: %s; %s", e.what, e.why, sourceForms)
}

// open finds out what a source is. Only what is wrong at first sight is said here.
func (a *Adder) open(name, text string) (source, error) {
	if id, rest, found := strings.Cut(text, ":"); found && distros[id].keyring != "" {
		d, err := a.debian(distros[id], rest)
		if err != nil {
			return source{}, fmt.Errorf("%s: %w", text, err)
		}
		return source{name: name, text: text, fill: d.fill}, nil
	}
	file := absolute(text)
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return source{}, fmt.Errorf("there is no %s: %s", file, sourceForms)
	case err != nil:
		return source{}, fmt.Errorf("read the source: %w", err)
	case info.IsDir():
		return a.openFolder(name, file)
	case !info.Mode().IsRegular():
		return source{}, &notImage{file, "it is neither a file nor a folder"}
	}
	return source{name: name, text: file, fill: func(ctx context.Context, s *stage) (v1.Descriptor, error) {
		return s.fillFromFile(ctx, name, file)
	}}, nil
}

func (a *Adder) openFolder(name, dir string) (source, error) {
	src := source{name: name, text: dir}
	if _, err := os.Stat(filepath.Join(dir, v1.ImageIndexFile)); err == nil {
		src.fill = func(ctx context.Context, s *stage) (v1.Descriptor, error) {
			return s.fillFromLayout(ctx, name, layout(dir))
		}
		return src, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return source{}, fmt.Errorf("read the source: %w", err)
	}
	for _, e := range entries {
		if rootFolders[e.Name()] {
			src.fill = func(ctx context.Context, s *stage) (v1.Descriptor, error) {
				return s.fillFromRootFolder(ctx, dir, a.Dir, a.Caller)
			}
			return src, nil
		}
	}
	return source{}, &notImage{dir, "the folder has neither index.json (OCI layout) nor bin, etc, usr … (root file system)"}
}

// fillFromFile adds the image of an archive, or a root file system in one.
func (s *stage) fillFromFile(ctx context.Context, name, file string) (v1.Descriptor, error) {
	kind, err := probe(ctx, file)
	if err != nil {
		return v1.Descriptor{}, err
	}
	in, err := openPlain(ctx, file)
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer in.Close()
	if kind == rootTar {
		s.note("packing the root file system " + file)
		return s.fillFromRootTar(in)
	}
	s.note("reading the image archive " + file)
	return s.fillFromArchive(ctx, name, file, in)
}

type tarKind int

const (
	imageTar tarKind = iota + 1 // an OCI or docker save archive
	rootTar                     // a root file system
)

// rootFolders are names at the top of a root file system. One of them tells it from an image archive.
var rootFolders = map[string]bool{
	"bin": true, "boot": true, "dev": true, "etc": true, "home": true, "lib": true, "lib64": true, "media": true,
	"mnt": true, "nix": true, "opt": true, "proc": true, "root": true, "run": true, "sbin": true, "srv": true,
	"sys": true, "tmp": true, "usr": true, "var": true,
}

// archiveName matches names of an image archive: OCI's, and those of docker save, whose configs and layers are named
// by their digests.
var archiveName = regexp.MustCompile(`^(oci-layout|index\.json|manifest\.json|repositories|blobs(/.*)?|[0-9a-f]{64}([/.].*)?)$`)

// probe reads a tar until a name tells what it is; most often that is the first or the second one.
func probe(ctx context.Context, file string) (tarKind, error) {
	in, err := openPlain(ctx, file)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	tr := tar.NewReader(in)
	for first := true; ; first = false {
		h, err := tr.Next()
		switch {
		case first && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return 0, &notImage{file, "it is no tar archive"}
		case errors.Is(err, io.EOF):
			return 0, &notImage{file, "the tar holds neither index.json (OCI archive) nor manifest.json (docker save archive), " +
				"and no bin, etc, usr … at its top (root file system)"}
		case err != nil:
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
		name := path.Clean(h.Name)
		top, _, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
		if archiveName.MatchString(name) {
			return imageTar, nil
		}
		if rootFolders[top] {
			return rootTar, nil
		}
	}
}
