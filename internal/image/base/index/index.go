// Package index reads the list of bases. A base is an image in caisson's own store that a FROM can name without a
// registry. The small program looks at this list on every run, so the package links nothing but the standard library
// and has no work at start. Package base writes the list, next to the OCI layout that holds the images themselves.
package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// FileName of the list, in the folder of the bases.
const FileName = "bases.json"

// Entry is one base.
type Entry struct {
	// Ref is the normalised reference, "docker.io/library/debian:bookworm".
	Ref string `json:"ref"`
	// Digest of the manifest, or of the index when the base serves several architectures: "sha256:…".
	Digest string `json:"digest"`
	// Arch is the architecture as a platform names it without its system: "amd64", "arm/v7". Several are joined by
	// commas. A system other than Linux stands before it: "windows/amd64".
	Arch string `json:"arch"`
	// Size is the sum of the blobs in bytes, compressed as they lie in the store, shared ones included.
	Size int64 `json:"size"`
	// Created is when the base was added.
	Created time.Time `json:"created"`
	// Source is what it was made from: an absolute path, or "debian:bookworm/armhf".
	Source string `json:"source"`
}

// Read returns the bases of a folder, sorted by reference. A folder without a list has none. A list that cannot be read
// is an error that names the file.
func Read(dir string) ([]Entry, error) {
	file := filepath.Join(dir, FileName)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of bases: %w", err)
	}
	var entries []Entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("read the list of bases %s: %w", file, err)
	}
	return entries, nil
}

// Lookup finds the base that a FROM reference names. A reference with a digest finds the base of that digest, whatever
// its name: the digest says exactly which image is wanted. A reference that is not valid finds nothing.
func Lookup(entries []Entry, ref string) (Entry, bool) {
	name, err := Normalize(ref)
	if err != nil {
		return Entry{}, false
	}
	_, digest, pinned := strings.Cut(name, "@")
	for _, e := range entries {
		if pinned && e.Digest == digest || !pinned && e.Ref == name {
			return e, true
		}
	}
	return Entry{}, false
}
