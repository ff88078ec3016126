package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifest is what is remembered of the last build of an image.
type manifest struct {
	Image string `json:"image"`
	Sum   string `json:"sum"`
	Parts Parts  `json:"parts"`
	// Files maps paths in the context to what the key covers of them; nil when that was not known.
	Files map[string]string `json:"files"`
}

func manifestPath(cacheDir, imageName string) string {
	return filepath.Join(cacheDir, "manifests", hexSum([]byte(imageName))+".json")
}

// SaveManifest remembers a key as the last one built under an image's name ("projectci/build.armv7"), with the digests
// of its context files, so that Why can later name what changed.
func SaveManifest(cacheDir, imageName string, k Key) error {
	m := manifest{Image: imageName, Sum: k.Sum, Parts: k.Parts, Files: k.identities()}
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode manifest of %s: %w", imageName, err)
	}
	if err := writeAtomic(manifestPath(cacheDir, imageName), data); err != nil {
		return fmt.Errorf("remember the key of %s: %w", imageName, err)
	}
	return nil
}

func (k Key) identities() map[string]string {
	if k.files == nil {
		return nil
	}
	files, ok := k.files()
	if !ok {
		return nil
	}
	all := make(map[string]string, len(files))
	for i := range files {
		all[files[i].path] = files[i].identity()
	}
	return all
}

// Reason is why an image has to be built.
type Reason struct {
	// Changes has at least one entry, the most telling first: "Dockerfile changed", "context file a/b added".
	Changes []string
}

// String is the reason in one line.
func (r Reason) String() string {
	switch len(r.Changes) {
	case 0:
		return ""
	case 1:
		return r.Changes[0]
	}
	return fmt.Sprintf("%s and %d more", r.Changes[0], len(r.Changes)-1)
}

// Why compares a key with the one that SaveManifest remembered last for this image. Without a difference the image
// itself must be gone. A manifest that cannot be decoded is itself the reason; an error is about reading the cache.
func Why(cacheDir, imageName string, k Key) (Reason, error) {
	data, err := os.ReadFile(manifestPath(cacheDir, imageName))
	if errors.Is(err, fs.ErrNotExist) {
		return Reason{[]string{"first build of this image"}}, nil
	}
	if err != nil {
		return Reason{}, fmt.Errorf("read what %s was last built from: %w", imageName, err)
	}
	var last manifest
	if json.Unmarshal(data, &last) != nil || last.Sum == "" {
		return Reason{[]string{"what it was last built from is not readable any more"}}, nil
	}
	changes := k.changes(last)
	if len(changes) == 0 && last.Sum != k.Sum {
		changes = []string{"this version of caisson makes its keys in another way"}
	}
	if len(changes) == 0 {
		changes = []string{"image was removed from the store"}
	}
	return Reason{changes}, nil
}

func (k Key) changes(last manifest) []string {
	var all []string
	was, is := last.Parts, k.Parts
	if was.Dockerfile != is.Dockerfile {
		all = append(all, "Dockerfile changed")
	}
	if was.Target != is.Target {
		all = append(all, fmt.Sprintf("target changed (was %s, is %s)", orLast(was.Target), orLast(is.Target)))
	}
	if was.Platform != is.Platform {
		all = append(all, fmt.Sprintf("platform changed (was %s, is %s)", was.Platform, is.Platform))
	}
	all = append(all, changedEmulators(was.Emulators, is.Emulators)...)
	if was.CPU != is.CPU {
		all = append(all, fmt.Sprintf("cpu of the emulator changed (was %s, is %s)", oneLine(was.CPU), oneLine(is.CPU)))
	}
	all = append(all, changedBases(was.Bases, is.Bases)...)
	all = append(all, changedArgs(was.Args, is.Args)...)
	if was.Context != is.Context {
		files := changedFiles(last.Files, k.identities())
		if len(files) == 0 {
			files = []string{"context files changed"}
		}
		all = append(all, files...)
	}
	return all
}

func orLast(target string) string {
	if target == "" {
		return "the last stage"
	}
	return target
}

// names returns the keys of both maps, sorted, each once.
func names(a, b map[string]string) []string {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]string{}
	}
	maps.Copy(both, b)
	return slices.Sorted(maps.Keys(both))
}

func changedEmulators(was, is []string) []string {
	before, after := byArch(was), byArch(is)
	var all []string
	for _, arch := range names(before, after) {
		old, had := before[arch]
		now, has := after[arch]
		switch {
		case !had:
			all = append(all, fmt.Sprintf("emulator of %s added (is %s)", arch, version(now)))
		case !has:
			all = append(all, fmt.Sprintf("emulator of %s not used any more (was %s)", arch, version(old)))
		case old == now:
		case version(old) == version(now):
			all = append(all, fmt.Sprintf("emulator of %s changed (another build of %s)", arch, version(now)))
		default:
			all = append(all, fmt.Sprintf("emulator of %s changed (was %s, is %s)", arch, version(old), version(now)))
		}
	}
	return all
}

// byArch parts the names of emulators at their first space, behind the architecture.
func byArch(emulators []string) map[string]string {
	all := map[string]string{}
	for _, name := range emulators {
		arch, rest, _ := strings.Cut(name, " ")
		all[arch] = rest
	}
	return all
}

// version of an emulator's name without its architecture: what is before the hash, "qemu 7.2.22".
func version(name string) string {
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		return name[:i]
	}
	return name
}

func changedBases(was, is map[string]string) []string {
	var all []string
	for _, ref := range names(was, is) {
		before, had := was[ref]
		after, has := is[ref]
		switch {
		case !had:
			all = append(all, fmt.Sprintf("base %s added", ref))
		case !has:
			all = append(all, fmt.Sprintf("base %s removed", ref))
		case before != after:
			all = append(all, fmt.Sprintf("base %s changed", ref))
		}
	}
	return all
}

func changedArgs(was, is map[string]string) []string {
	var all []string
	for _, name := range names(was, is) {
		before, had := was[name]
		after, has := is[name]
		switch {
		case !had:
			all = append(all, fmt.Sprintf("build argument %s added (is %s)", name, oneLine(after)))
		case !has:
			all = append(all, fmt.Sprintf("build argument %s removed (was %s)", name, oneLine(before)))
		case before != after:
			all = append(all, fmt.Sprintf("build argument %s changed (was %s, is %s)", name, oneLine(before), oneLine(after)))
		}
	}
	return all
}

// changedFiles returns nil when one of the lists is not known. Folders come last: their permissions explain little.
func changedFiles(was, is map[string]string) []string {
	if was == nil || is == nil {
		return nil
	}
	var files, folders []string
	for _, path := range names(was, is) {
		before, had := was[path]
		after, has := is[path]
		kind, list := "file", &files
		if strings.HasPrefix(after, "d") || !has && strings.HasPrefix(before, "d") {
			kind, list = "folder", &folders
		}
		switch {
		case !had:
			*list = append(*list, fmt.Sprintf("context %s %s added", kind, oneLine(path)))
		case !has:
			*list = append(*list, fmt.Sprintf("context %s %s removed", kind, oneLine(path)))
		case before == after:
		case sameButMode(before, after):
			*list = append(*list, fmt.Sprintf("permissions of context %s %s changed", kind, oneLine(path)))
		default:
			*list = append(*list, fmt.Sprintf("context %s %s changed", kind, oneLine(path)))
		}
	}
	return append(files, folders...)
}

// sameButMode compares two results of identity, whose second word is the permissions.
func sameButMode(a, b string) bool {
	x, y := strings.SplitN(a, " ", 3), strings.SplitN(b, " ", 3)
	if len(x) != len(y) || len(x) < 2 || x[0] != y[0] || x[0] == "l" {
		return false
	}
	return slices.Equal(x[2:], y[2:])
}

// oneLine keeps a value from breaking the line that it is part of.
func oneLine(value string) string {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Sprintf("%q", value)
	}
	return value
}
