package sandbox

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Overlay is a copy-on-write mount.
type Overlay struct {
	Lowers []string `json:"lowers"` // the top one first, absolute paths
	Upper  string   `json:"upper"`
	Work   string   `json:"work"`
	Target string   `json:"target"`
	// UserXattr keeps overlayfs' marks in "user." attributes: the only ones that an ordinary user can write.
	UserXattr bool `json:"userXattr,omitempty"`
}

// Mount mounts the overlay. Its upper layer is thrown away after the mount, so nothing is ever synced to disk for it
// ("volatile", Linux 5.10). Kernels before 6.8 take all lower folders in one string, which limits it to one page.
func (o Overlay) Mount() error {
	if len(o.Lowers) == 0 {
		return errors.New("mount overlay: no lower folder")
	}
	err := o.mountNew()
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		err = o.mountOld()
	}
	if err != nil {
		return fmt.Errorf("mount overlay on %s (upper %s): %w", o.Target, o.Upper, err)
	}
	return nil
}

// mountNew uses the mount API of Linux 5.2 with overlayfs' "lowerdir+" of 6.8: no limit on the length. Lower folders are
// taken as they are, but backslashes of the other two are still escapes.
func (o Overlay) mountNew() error {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	for _, l := range o.Lowers {
		if err := unix.FsconfigSetString(fs, "lowerdir+", l); err != nil {
			return err
		}
	}
	for _, kv := range [][2]string{{"source", "overlay"}, {"upperdir", escape(o.Upper)}, {"workdir", escape(o.Work)}} {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return err
		}
	}
	for _, flag := range o.flags() {
		if err := unix.FsconfigSetFlag(fs, flag); err != nil {
			return err
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return err
	}
	m, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(m)
	return unix.MoveMount(m, "", unix.AT_FDCWD, o.Target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// mountOld is mount(2); paths with a colon, comma or backslash are escaped for overlayfs' option parser.
func (o Overlay) mountOld() error {
	esc := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)
	lowers := make([]string, len(o.Lowers))
	for i, l := range o.Lowers {
		lowers[i] = esc.Replace(l)
	}
	opts := "lowerdir=" + strings.Join(lowers, ":") + ",upperdir=" + esc.Replace(o.Upper) + ",workdir=" + esc.Replace(o.Work)
	if o.UserXattr {
		opts += ",userxattr"
	}
	err := unix.Mount("overlay", o.Target, "overlay", 0, opts+",volatile")
	if errors.Is(err, unix.EINVAL) {
		err = unix.Mount("overlay", o.Target, "overlay", 0, opts)
	}
	return err
}

func (o Overlay) flags() []string {
	if o.UserXattr {
		return []string{"volatile", "userxattr"}
	}
	return []string{"volatile"}
}

// Pin binds source, recursively, to target, which it makes. No symbolic link on the way to source is followed: who can
// write to a folder above it cannot swap it for another one after it was checked.
func Pin(source, target string) error {
	fd, err := unix.Openat2(unix.AT_FDCWD, source, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return fmt.Errorf("open %s for the container: %w", source, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("look at %s: %w", source, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = unix.Mkdir(target, 0o755)
	} else {
		err = unix.Mknod(target, unix.S_IFREG|0o644, 0)
	}
	if err != nil {
		return fmt.Errorf("make mount point %s: %w", target, err)
	}
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("clone mount of %s: %w", source, err)
	}
	defer unix.Close(tree)
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("bind %s: %w", source, err)
	}
	return nil
}

func escape(path string) string { return strings.ReplaceAll(path, `\`, `\\`) }

// LockCgroups makes the cgroup file systems read-only in this sandbox, so that nothing below it makes a cgroup.
func LockCgroups() error {
	err := unix.MountSetattr(unix.AT_FDCWD, "/sys/fs/cgroup", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) { // EINVAL: nothing is mounted there
		return fmt.Errorf("make cgroups read-only in the sandbox: %w", err)
	}
	return nil
}

// Tmpfs mounts a private file system in memory.
func Tmpfs(target string) error {
	if err := unix.Mount("caisson", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
		return fmt.Errorf("mount private tmpfs on %s: %w", target, err)
	}
	return nil
}
