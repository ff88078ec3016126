package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"caisson/internal/project/config"
)

// ConfigFile marks the root of a project, and may say more about it.
const ConfigFile = "caisson.yaml"

const (
	markerPrefix = "."
	markerSuffix = "_root"
)

// NoProjectError is a folder that is in no project.
type NoProjectError struct {
	Start  string   // the folder where the search began
	Unread []string // folders above it that could not be listed
}

func (e *NoProjectError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no project in %s or above: looked for %s, a .<name>_root file and .git", shown(e.Start), ConfigFile)
	if len(e.Unread) > 0 {
		quoted := make([]string, len(e.Unread))
		for i, dir := range e.Unread {
			quoted[i] = shown(dir)
		}
		fmt.Fprintf(&b, " (not allowed to list %s)", strings.Join(quoted, ", "))
	}
	b.WriteString("; run caisson inside a source tree or name one with -C DIR; `git init` or an empty file " +
		".<name>_root makes a folder the root of one")
	return b.String()
}

// startFolder makes dir absolute and free of symbolic links, so that its parents are the folders that it really lies in.
func startFolder(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	start, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("look for a project in %s: %w", shown(abs), cause(err))
	}
	info, err := os.Stat(start)
	if err != nil {
		return "", fmt.Errorf("look for a project in %s: %w", shown(abs), cause(err))
	}
	if !info.IsDir() {
		return "", fmt.Errorf("look for a project in %s: it is not a folder", shown(abs))
	}
	return start, nil
}

// rootFolder is the root of a project and the rule that found it.
type rootFolder struct {
	path, rule string
	marker     string // <name> of a .<name>_root file in it, "" when it has none
	configured bool   // it has a caisson.yaml
}

// findRoot walks from start to the top once per rule, because a better rule wins over a nearer folder.
func findRoot(start string) (rootFolder, error) {
	if dir, ok := nearestParent(start, func(dir string) bool { return regularFile(filepath.Join(dir, ConfigFile)) }); ok {
		marker, _ := markerIn(dir) // a root that cannot be listed just has no marker that anyone could see
		return rootFolder{path: dir, rule: "nearest folder with " + ConfigFile, marker: marker, configured: true}, nil
	}

	var marker string
	var unread []string
	dir, ok := nearestParent(start, func(dir string) bool {
		var err error
		marker, err = markerIn(dir)
		if errors.Is(err, fs.ErrPermission) {
			unread = append(unread, dir)
		}
		return marker != ""
	})
	if ok {
		return rootFolder{path: dir, rule: "nearest folder with a .<name>_root file", marker: marker}, nil
	}

	// In a worktree and in a submodule .git is a file.
	if dir, ok := nearestParent(start, func(dir string) bool {
		info, err := os.Stat(filepath.Join(dir, ".git"))
		return err == nil && (info.IsDir() || info.Mode().IsRegular())
	}); ok {
		return rootFolder{path: dir, rule: "git root"}, nil
	}
	return rootFolder{}, &NoProjectError{Start: start, Unread: unread}
}

// nearestParent returns the first of dir, its parent, its parent's parent … that is accepted.
func nearestParent(dir string, accept func(dir string) bool) (string, bool) {
	for {
		if accept(dir) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// markerIn returns <name> of the .<name>_root file in dir, the first in order where there are several, "" when there is
// none. A name that is no path element of its own (".", "..") is none: it becomes a folder below /work.
func markerIn(dir string) (string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return "", err
	}
	defer f.Close()
	entries, err := f.Readdirnames(-1)
	if err != nil {
		return "", err
	}
	var names []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry, markerSuffix)
		if !ok {
			continue
		}
		name, ok = strings.CutPrefix(name, markerPrefix)
		if ok && name != "" && name != "." && name != ".." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if regularFile(filepath.Join(dir, markerPrefix+name+markerSuffix)) {
			return name, nil
		}
	}
	return "", nil
}

func nameOf(root rootFolder, c config.Config) (name, rule string) {
	if c.Project != "" {
		return c.Project, "project: in " + ConfigFile
	}
	if root.marker != "" {
		return root.marker, "file " + shown(markerPrefix+root.marker+markerSuffix)
	}
	if base := filepath.Base(root.path); base != string(filepath.Separator) {
		return base, "name of the root folder"
	}
	return "root", "the root folder has no name"
}

// cause is the error without the path that the os package puts before it: the messages here name the path themselves.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}
