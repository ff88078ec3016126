package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// KeyInput is all that a content key depends on.
type KeyInput struct {
	CacheDir   string // for the stat cache; may be missing or unwritable
	ContextDir string
	Dockerfile string // path
	Plan       Plan   // of Text
	Text       []byte
	Target     string            // stage, "" is the last one
	Args       map[string]string // build arguments given; those that the Dockerfile does not declare do not count
	Bases      map[string]string // digests of what Plan.ExternalImages names
	Platform   string            // "linux/amd64"
	// Emulators that run foreign steps, as emulator.Emulator names them: "arm qemu 7.2.22 sha256:…".
	Emulators []string
	CPU       string // the processor that they are to be, "" for the one they choose
	// WholeContext counts every file of the context, for a base whose ONBUILD triggers copy from it.
	WholeContext bool
}

// Key identifies what would be built. Two equal sums are the same image.
type Key struct {
	Sum   string // hexadecimal SHA-256 of Parts
	Parts Parts
	// FilesRead is the number of context files whose content had to be read for this key.
	FilesRead int
	// files returns the context's files, false when they are not known any more.
	files func() ([]contextFile, bool)
}

// Parts are what a key is made of.
type Parts struct {
	Format     int               `json:"format"`
	Dockerfile string            `json:"dockerfile"` // hexadecimal SHA-256 of its text
	Target     string            `json:"target,omitempty"`
	Platform   string            `json:"platform"`
	Emulators  []string          `json:"emulators,omitempty"` // sorted
	CPU        string            `json:"cpu,omitempty"`
	Args       map[string]string `json:"args,omitempty"`
	Bases      map[string]string `json:"bases,omitempty"`
	Context    string            `json:"context"` // hexadecimal SHA-256 over the files that the Dockerfile uses
}

// ComputeKey returns the content key. It walks the part of the context that the Dockerfile uses, and reads files only
// whose stat differs from the last time. A source that matches nothing is no error: the build reports it.
func ComputeKey(ctx context.Context, in KeyInput) (Key, error) {
	return computeKey(ctx, in, time.Now)
}

func computeKey(ctx context.Context, in KeyInput, now func() time.Time) (Key, error) {
	contextDir, err := filepath.Abs(in.ContextDir)
	if err != nil {
		return Key{}, fmt.Errorf("find context folder: %w", err)
	}
	dockerfile, err := filepath.Abs(in.Dockerfile)
	if err != nil {
		return Key{}, fmt.Errorf("find Dockerfile: %w", err)
	}
	scan := contextScan{
		dir: contextDir, sources: in.Plan.sources(), cache: cachePath(in.CacheDir, contextDir, dockerfile), now: now,
	}
	if in.WholeContext {
		scan.sources = []Source{{Path: "."}}
	}
	if scan.ignore, err = readIgnore(contextDir, dockerfile); err != nil {
		return Key{}, err
	}
	digest, err := scan.run(ctx)
	if err != nil {
		return Key{}, fmt.Errorf("key of %s: %w", in.Dockerfile, err)
	}
	key := Key{FilesRead: digest.read, files: scan.files(digest), Parts: Parts{
		Format: formatVersion, Dockerfile: hexSum(in.Text), Target: in.Target, Platform: in.Platform,
		Emulators: slices.Sorted(slices.Values(in.Emulators)), CPU: in.CPU,
		Args: in.Plan.countedArgs(in.Args), Bases: in.Bases, Context: hex.EncodeToString(digest.sum[:]),
	}}
	key.Sum = key.Parts.sum()
	return key, nil
}

// sum is the digest over all parts. Every string is quoted, so that no two different keys have the same text.
func (p Parts) sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "key %d\ndockerfile %s\ntarget %q\nplatform %q\ncontext %s\n",
		p.Format, p.Dockerfile, p.Target, p.Platform, p.Context)
	for _, name := range p.Emulators {
		fmt.Fprintf(h, "emulator %q\n", name)
	}
	if p.CPU != "" {
		fmt.Fprintf(h, "cpu %q\n", p.CPU)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Args)) {
		fmt.Fprintf(h, "arg %q %q\n", name, p.Args[name])
	}
	for _, ref := range slices.Sorted(maps.Keys(p.Bases)) {
		fmt.Fprintf(h, "base %q %q\n", ref, p.Bases[ref])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// files returns the source of a key's files: the scan itself, or the stat cache for as long as it has the same answer.
func (s *contextScan) files(digest contextDigest) func() ([]contextFile, bool) {
	cache := s.cache
	return func() ([]contextFile, bool) {
		if digest.files != nil {
			return digest.files, true
		}
		head, files, ok := readCache(cache)
		return files, ok && head.content == digest.sum
	}
}
