package project

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"
)

// dockerDirs are the folders that may hold the Dockerfiles, relative to the root; the first that holds one is taken.
var dockerDirs = [...]string{"ci/docker", "docker"}

// NoDockerfilesError is a project without a single usable Dockerfile.
type NoDockerfilesError struct {
	Root     string
	Unusable []string // what looked like one, each with the reason
}

func (e *NoDockerfilesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no platform in the project %s: neither %s nor %s has a file Dockerfile.build.<platform>",
		shown(e.Root), dockerDirs[0], dockerDirs[1])
	if len(e.Unusable) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(e.Unusable, "; "))
	}
	fmt.Fprintf(&b, "; create %s, and the function build_<platform> in %s beside it",
		shown(filepath.Join(e.Root, dockerDirs[0]))+"/Dockerfile.build.<platform>", FunctionsFile)
	return b.String()
}

// readDockerfiles sets DockerDir, Platforms and unusable.
func (p *Project) readDockerfiles() error {
	var unusable []string
	for _, rel := range dockerDirs {
		dir := filepath.Join(p.Root, rel)
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			// Going on with the other folder would silently build other images.
			return fmt.Errorf("look for Dockerfiles in %s: %w", shown(dir), cause(err))
		}
		// The folder itself may be a link, and a build context is walked without following its own name.
		context, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return fmt.Errorf("look for Dockerfiles in %s: %w", shown(dir), cause(err))
		}
		p.DockerDir = dir
		p.Platforms, p.unusable = platformsIn(p.Root, context, entries)
		if len(p.Platforms) > 0 {
			return nil
		}
		for _, name := range slices.Sorted(maps.Keys(p.unusable)) {
			unusable = append(unusable, fmt.Sprintf("%s: %s", rel, p.unusable[name]))
		}
	}
	return &NoDockerfilesError{Root: p.Root, Unusable: unusable}
}

// platformsIn picks the platforms from the entries of a folder and says of what has the name of one why it is none.
func platformsIn(root, context string, entries []os.DirEntry) ([]Platform, map[string]string) {
	var platforms []Platform
	unusable := map[string]string{}
	for _, entry := range entries {
		name, ok := platformName(entry.Name())
		if !ok {
			continue
		}
		path := filepath.Join(context, entry.Name())
		if reason := notRegular(path, entry); reason != "" {
			unusable[name] = fmt.Sprintf("%s %s", shown(entry.Name()), reason)
			continue
		}
		if real, outside := leavesTree(root, path); outside {
			unusable[name] = fmt.Sprintf("%s is a link to %s, which is outside of the project", shown(entry.Name()), shown(real))
			continue
		}
		platforms = append(platforms, Platform{Name: name, Dockerfile: path, Context: context})
	}
	// Stable, and Dockerfile.build.publish.x is read before Dockerfile.publish.x: where a folder has both, the former
	// is the platform, because its name says so in full.
	slices.SortStableFunc(platforms, func(a, b Platform) int { return strings.Compare(a.Name, b.Name) })
	platforms = slices.CompactFunc(platforms, func(a, b Platform) bool { return a.Name == b.Name })
	return platforms, unusable
}

// platformName is the platform of a Dockerfile by the Dockerfile's name. Copies of editors (a name ending in ~) and
// BuildKit's <Dockerfile>.dockerignore are no Dockerfiles. A control character is refused because a list of platforms
// has one on each line.
func platformName(file string) (string, bool) {
	name, ok := strings.CutPrefix(file, "Dockerfile.build.")
	if !ok {
		rest, isPublish := strings.CutPrefix(file, "Dockerfile.publish.")
		if !isPublish || rest == "" {
			return "", false
		}
		name = "publish." + rest
	}
	if name == "" || strings.HasSuffix(name, "~") || strings.HasSuffix(name, ".dockerignore") {
		return "", false
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", false
	}
	return name, true
}

// notRegular says why an entry is not a regular file or a link to one, "" when it is.
func notRegular(path string, entry os.DirEntry) string {
	mode := entry.Type()
	if mode&fs.ModeSymlink != 0 {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Sprintf("is a link that leads nowhere (%v)", cause(err))
		}
		mode = info.Mode()
	}
	switch {
	case mode.IsRegular():
		return ""
	case mode.IsDir():
		return "is a folder"
	}
	return "is not a regular file"
}
