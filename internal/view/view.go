// Package view decides what a run sees of a source tree. So far there is one view: in place, the tree itself.
//
// A tree is its author's word, not the caller's: it may come from anywhere, and code that ran in it before may still
// run beside us. So nothing in a tree makes a run see a folder outside of it: not a build/ that is a link, and a .git
// file only where the folder that it names agrees. Folders that are made belong to the caller, also under sudo.
package view

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"caisson/internal/engine"
	"caisson/internal/view/ascaller"

	"golang.org/x/sys/unix"
)

// workDir holds everything of a run in its container.
const workDir = "/work"

// Options of InPlace.
type Options struct {
	Root     string // the tree, absolute; may be reached through symbolic links
	Project  string // its name, which is the folder's in the container
	UID, GID int    // the caller, who owns what is made
	Groups   []int  // their further groups
}

// View is what a run sees. Every Source was free of symbolic links when it was looked at, and has to be mounted
// without following any (RESOLVE_NO_SYMLINKS): something in the tree may have put one there since. Mounts come in the
// order in which they have to be made, with what is mounted below their sources.
type View struct {
	Root   string // the tree on this machine, without symbolic links: the same for every way to name it
	Build  string // the folder of the artifacts on this machine
	Mounts []engine.Mount
	Notes  []string // for the person, a line each: what will not work, and what to do
}

// InPlace is the view of the tree itself. It makes build/ when it is missing. An error names what is in the way and
// the next step.
func InPlace(o Options) (View, error) {
	var v View
	err := ascaller.Do(o.UID, o.GID, o.Groups, func() (err error) {
		v, err = inPlace(o)
		return err
	})
	return v, err
}

func inPlace(o Options) (View, error) {
	if err := checkName(o.Project); err != nil {
		return View{}, err
	}
	real, err := filepath.EvalSymlinks(o.Root)
	if err == nil && !filepath.IsAbs(real) {
		err = errors.New("not an absolute path")
	}
	if err != nil {
		return View{}, fmt.Errorf("open the source tree: %w", err)
	}
	if real == "/" {
		return View{}, errors.New("the source tree is the root of the file system: put the project into a folder of its own")
	}
	root, err := os.OpenRoot(real)
	if err != nil {
		return View{}, fmt.Errorf("open the source tree %s: %w", real, err)
	}
	defer root.Close()
	inside := path.Join(workDir, o.Project)
	v := View{Root: real, Mounts: []engine.Mount{{Source: real, Destination: inside}}}
	if err := v.addBuild(root, o); err != nil {
		return View{}, err
	}
	v.addGit(inside, o.UID)
	return v, nil
}

// checkName: the project's name becomes a folder beside build and ccache.
func checkName(name string) error {
	bad := ""
	switch {
	case name == "", name == ".", name == "..", strings.ContainsAny(name, "/\x00"):
		bad = "cannot be a folder's"
	case name == "build", name == "ccache":
		bad = "is the name of another folder in " + workDir
	case len(name) > 255:
		bad = "is longer than 255 bytes"
	default:
		return nil
	}
	return fmt.Errorf("the project's name %q %s: put a file .NAME_root into its root, which names it NAME", name, bad)
}

// addBuild mounts the folder of the artifacts.
func (v *View) addBuild(root *os.Root, o Options) error {
	const name = "build"
	err := root.Mkdir(name, 0o755)
	if err == nil {
		err = own(root, name, o)
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return v.cannotMake(err)
	}
	info, err := root.Lstat(name)
	if err != nil {
		return fmt.Errorf("look at %s: %w", filepath.Join(v.Root, name), err)
	}
	v.Build = filepath.Join(v.Root, name)
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		if err := v.followBuild(); err != nil {
			return err
		}
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder, and the artifacts of a build go there: move it away (mv %s %s)",
			v.Build, quote(v.Build), quote(v.Build+".old"))
	}
	v.Mounts = append(v.Mounts, engine.Mount{Source: v.Build, Destination: path.Join(workDir, name)})
	if err := unix.Faccessat(unix.AT_FDCWD, v.Build, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		v.Notes = append(v.Notes, v.notWritable(err, o))
	}
	return nil
}

// own gives a folder that was made just now to the caller, where the system could not make it theirs.
func own(root *os.Root, name string, o Options) error {
	if os.Geteuid() != 0 || o.UID == 0 {
		return nil
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || int(st.Uid) == o.UID {
		return err
	}
	return f.Chown(o.UID, o.GID)
}

func (v *View) cannotMake(err error) error {
	next := "make it (mkdir build) as somebody who may write there"
	if errors.Is(err, unix.EROFS) {
		next = "copy the tree to where it can be written, or make the folder where it comes from"
	}
	return fmt.Errorf("make the folder for artifacts in %s: %w: %s", v.Root, err, next)
}

func (v *View) notWritable(err error, o Options) string {
	if errors.Is(err, unix.EROFS) {
		return fmt.Sprintf("%s cannot be written (%v): a build fails there; copy the tree to where it can be written",
			v.Build, err)
	}
	return fmt.Sprintf("%s cannot be written by uid %d (%v): a build fails there; run sudo chown -R %d:%d %s",
		v.Build, o.UID, err, o.UID, o.GID, quote(v.Build))
}

// followBuild resolves a build that is a symbolic link. Inside the tree it is the author's layout and gives away
// nothing, since the run has all of the tree. Outside it is refused, whoever made it: a tree that somebody sent could
// name any folder of the caller's so. An absolute link is mounted under the name that it has, too, since the container
// has no such folder.
func (v *View) followBuild() error {
	link := v.Build
	target, err := os.Readlink(link)
	if err != nil {
		return fmt.Errorf("read the link %s: %w", link, err)
	}
	real, err := filepath.EvalSymlinks(link)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is a symbolic link to %s, which does not exist: make that folder, or remove the link",
			link, target)
	}
	if err != nil {
		return fmt.Errorf("follow the link %s: %w: remove it, caisson makes a folder", link, err)
	}
	if !below(v.Root, real) {
		return fmt.Errorf("%s is a symbolic link to %s, outside of the tree, and is not followed, since a tree could give "+
			"away any of your folders so: replace it by a folder (and mount --bind %s on it if the artifacts have to be there)",
			link, real, quote(real))
	}
	if info, err := os.Stat(real); err != nil || !info.IsDir() {
		return fmt.Errorf("%s is a symbolic link to %s, which is not a folder: remove the link, caisson makes a folder",
			link, target)
	}
	v.Build = real
	if filepath.IsAbs(target) {
		v.Mounts = append(v.Mounts, engine.Mount{Source: real, Destination: filepath.Clean(target)})
	}
	return nil
}

// below says whether path is inside root, both without symbolic links.
func below(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != "." && filepath.IsLocal(rel)
}

// quote is path as a shell reads it.
func quote(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
