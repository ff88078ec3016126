// Package base keeps images in caisson's own store, so that a FROM can name them without a registry. A base is made from
// an OCI layout (folder or archive), a docker save archive, a root file system (folder or tar), or by mmdebstrap from a
// Debian mirror.
//
// The store is one OCI layout whose blobs all bases share. Its index.json is the truth: each descriptor carries the
// normalised reference and what the list for people says. bases.json, which package index reads, is written from it.
// What is being added grows in a folder of its own beside them and is renamed into place at the end, under a lock on
// the whole store; an add that fails or dies leaves nothing that a reader sees, and the next one sweeps its folder.
package base

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"caisson/internal/image/base/index"
)

// Adder adds bases to a store. Several may work on one store at once, in this process and in others.
type Adder struct {
	// Dir is the folder of the bases; it is made when it is missing.
	Dir string
	// Caller is the uid of the user whose own files become root's in an image that is made of a folder.
	Caller int
	// Progress is told what is being done, one short line without a line end at a time. It may be nil. It is never
	// called twice at once.
	Progress func(string)
	// root is where the host's apt sources and keyrings lie; "" is "/".
	root string
	mu   sync.Mutex // held while Progress runs: a program's messages and its output are read at once
}

// Add makes a base from source and names it ref, in place of one that has this name. A source is the path of an OCI
// layout folder, an OCI or docker save archive, a root file system as tar (plain or compressed) or folder, or
// "debian:SUITE[/ARCH]" or "ubuntu:SUITE[/ARCH]". Errors are for people: they say what is wrong with ref or source and
// what to do. When ctx ends, so do all programs that Add has started.
func (a *Adder) Add(ctx context.Context, ref, source string) (index.Entry, error) {
	name, err := index.Normalize(ref)
	if err != nil {
		return index.Entry{}, err
	}
	if strings.Contains(name, "@") {
		return index.Entry{}, fmt.Errorf("a base gets a name and a tag, not a digest: leave %q away", name[strings.Index(name, "@"):])
	}
	src, err := a.open(name, source)
	if err != nil {
		return index.Entry{}, err
	}
	st, err := openStore(a.Dir, a.note)
	if err != nil {
		return index.Entry{}, err
	}
	stage, err := st.begin(ctx)
	if err != nil {
		return index.Entry{}, err
	}
	entry, err := a.add(ctx, st, stage, src)
	return entry, errors.Join(err, stage.discard())
}

func (a *Adder) add(ctx context.Context, st *store, stage *stage, src source) (index.Entry, error) {
	desc, err := src.fill(ctx, stage)
	if ctx.Err() != nil {
		// What a killed program or an aborted read says is only noise.
		return index.Entry{}, fmt.Errorf("add the base %s: %w", src.name, context.Cause(ctx))
	}
	if err != nil {
		return index.Entry{}, fmt.Errorf("add the base %s: %w", src.name, err)
	}
	g, err := scan(stage.layout, desc)
	if err != nil {
		return index.Entry{}, fmt.Errorf("add the base %s: %s: %w", src.name, src.text, err)
	}
	entry := index.Entry{
		Ref:     src.name,
		Digest:  desc.Digest.String(),
		Arch:    strings.Join(g.archs, ","),
		Size:    g.size(),
		Created: time.Now().UTC().Truncate(time.Second),
		Source:  src.text,
	}
	return entry, st.commit(ctx, stage, desc, g, entry)
}

func (a *Adder) note(line string) {
	if a.Progress != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.Progress(line)
	}
}

// List returns the bases of a store, sorted by reference. It goes by index.json, and writes bases.json anew where that
// disagrees or cannot be read.
func List(ctx context.Context, dir string) ([]index.Entry, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	st := &store{layout: layout(dir), note: func(string) {}}
	cat, err := st.load()
	if err != nil {
		return nil, err
	}
	entries := cat.entries()
	if light, err := index.Read(dir); err == nil && slices.Equal(light, entries) {
		return entries, nil
	}
	unlock, err := st.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if cat, err = st.load(); err != nil { // it may have changed before the lock
		return nil, err
	}
	return cat.entries(), st.save(cat)
}

// Remove takes the base that ref names out of a store, and drops the blobs that no other base uses. An unknown base is
// an error that names those there are.
func Remove(ctx context.Context, dir, ref string) error {
	if _, err := index.Normalize(ref); err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return unknownBase(ref, nil)
	}
	st := &store{layout: layout(dir), note: func(string) {}}
	unlock, err := st.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	cat, err := st.load()
	if err != nil {
		return err
	}
	entry, found := index.Lookup(cat.entries(), ref)
	if !found {
		return unknownBase(ref, cat.entries())
	}
	cat.remove(entry.Ref)
	if err := st.save(cat); err != nil {
		return err
	}
	return errors.Join(st.collect(cat), st.sweep())
}

func unknownBase(ref string, entries []index.Entry) error {
	if len(entries) == 0 {
		return fmt.Errorf("there is no base %q: there are none at all", ref)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Ref)
	}
	return fmt.Errorf("there is no base %q; the bases are %s", ref, strings.Join(names, ", "))
}

// source is what a base is made from.
type source struct {
	name string // normalised reference of the base to be
	text string // what the user named, paths made absolute
	// fill writes the image's blobs into the stage and returns its manifest's or index's descriptor.
	fill func(ctx context.Context, s *stage) (v1.Descriptor, error)
}

// absolute makes a path independent of the working folder, so that the list says where a base came from.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
