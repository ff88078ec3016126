package view

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"caisson/internal/engine"

	"golang.org/x/sys/unix"
)

// A git worktree (gitrepository-layout(5)) has a file .git with "gitdir: <common>/worktrees/<name>". That folder has
// the file commondir, "../..", and the file gitdir, which names the .git file of the tree.

// worktree is the git folder outside of a tree that its git needs.
type worktree struct {
	common string // on this machine, without symbolic links
	inside string // where git looks for it in a container
}

// addGit mounts the common git folder of a worktree, so that git works in a run; a note says why it does not.
func (v *View) addGit(inside string, uid int) {
	w, err := findWorktree(v.Root, inside)
	if err == nil && w != nil {
		err = v.checkGit(w, inside, uid)
	}
	switch {
	case err != nil:
		v.Notes = append(v.Notes, fmt.Sprintf("git will not work in the run: %v", err))
	case w != nil:
		v.Mounts = append(v.Mounts, engine.Mount{Source: w.common, Destination: w.inside})
	}
}

// findWorktree reads the .git file of a tree; nil when git needs nothing outside of the tree.
func findWorktree(root, inside string) (*worktree, error) {
	pointer := filepath.Join(root, ".git")
	if info, err := os.Lstat(pointer); err != nil || !info.Mode().IsRegular() {
		return nil, nil // no git, or a repository of the usual form
	}
	text, err := readLine(pointer)
	if err != nil {
		return nil, err
	}
	named, ok := strings.CutPrefix(text, "gitdir: ")
	if !ok || named == "" {
		return nil, fmt.Errorf("%s does not name a git folder", pointer)
	}
	onHost, inContainer := filepath.Clean(named), filepath.Clean(named)
	if !filepath.IsAbs(named) {
		onHost, inContainer = filepath.Join(root, named), path.Join(inside, named)
	}
	dir, err := filepath.EvalSymlinks(onHost)
	if err != nil {
		return nil, fmt.Errorf("%s names a git folder that cannot be opened: %w", pointer, err)
	}
	if below(root, dir) && !filepath.IsAbs(named) {
		return nil, nil
	}
	if filepath.Base(filepath.Dir(dir)) != "worktrees" || filepath.Base(filepath.Dir(inContainer)) != "worktrees" {
		return nil, fmt.Errorf("%s names %s, which is not of a worktree (a submodule's git folder is in the project above it)",
			pointer, dir)
	}
	if err := pointsBack(dir, pointer); err != nil {
		return nil, err
	}
	common := filepath.Dir(filepath.Dir(dir))
	if byName, err := filepath.EvalSymlinks(filepath.Dir(filepath.Dir(onHost))); err != nil || byName != common ||
		filepath.Base(onHost) != filepath.Base(dir) {
		return nil, fmt.Errorf("%s names %s through a link that the container would not have", pointer, dir)
	}
	return &worktree{common: common, inside: path.Dir(path.Dir(inContainer))}, nil
}

// pointsBack checks that the git folder of a worktree belongs to the tree with that .git file. Whoever sends a tree
// can write its .git file, but not into somebody else's git folder.
func pointsBack(dir, pointer string) error {
	back, err := readLine(filepath.Join(dir, "gitdir"))
	if err != nil {
		return fmt.Errorf("%s is not the git folder of a worktree: %w", dir, err)
	}
	if !filepath.IsAbs(back) {
		back = filepath.Join(dir, back)
	}
	if tree, err := filepath.EvalSymlinks(filepath.Dir(back)); err != nil || filepath.Join(tree, filepath.Base(back)) != pointer {
		return fmt.Errorf("%s names %s, which is the git folder of another worktree, %s (git worktree repair mends it)",
			pointer, dir, filepath.Dir(back))
	}
	common, err := readLine(filepath.Join(dir, "commondir"))
	if err != nil {
		return fmt.Errorf("%s is not the git folder of a worktree: %w", dir, err)
	}
	if filepath.Clean(common) != "../.." {
		return fmt.Errorf("%s has its common git folder elsewhere, in %s", dir, common)
	}
	return nil
}

// checkGit checks that the common folder is a git folder of somebody whom the caller trusts anyway, and that it hides
// nothing of the run's own in the container.
func (v *View) checkGit(w *worktree, inside string, uid int) error {
	for name, wantDir := range map[string]bool{"HEAD": false, "objects": true, "refs": true} {
		info, err := os.Lstat(filepath.Join(w.common, name))
		if err != nil || info.IsDir() != wantDir {
			return fmt.Errorf("%s is not a git folder (no %s)", w.common, name)
		}
	}
	owner, err := ownerOf(w.common)
	if err != nil {
		return fmt.Errorf("look at %s: %w", w.common, err)
	}
	ofTree, err := ownerOf(v.Root)
	if err != nil {
		return fmt.Errorf("look at %s: %w", v.Root, err)
	}
	if owner != uid && owner != 0 && owner != ofTree {
		return fmt.Errorf("its git folder %s belongs to uid %d", w.common, owner)
	}
	for _, taken := range []string{inside, workDir + "/build", workDir + "/ccache"} {
		if w.inside == taken || strings.HasPrefix(w.inside, taken+"/") || strings.HasPrefix(taken, strings.TrimSuffix(w.inside, "/")+"/") {
			return fmt.Errorf("its git folder would be %s in the container, where %s is", w.inside, taken)
		}
	}
	return nil
}

func ownerOf(path string) (int, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return int(st.Uid), err
}

// readLine reads a small file of git's, which is one line (a path may have line ends in itself). It follows no link and
// waits for nobody.
func readLine(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(err, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")})
	}
	const longest = 8 << 10
	data, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(data), "\r\n")
	if len(data) > longest || strings.Contains(text, "\x00") {
		return "", &fs.PathError{Op: "read", Path: path, Err: errors.New("not one of git's")}
	}
	return text, nil
}
