// Package ccache chooses and prepares the compiler cache that all runs of a person share: its folder, its size, the
// environment and mounts that make the ccache of an image use it, and what it did for one run. It starts nothing; the
// ccache is the image's own, of any version since 3.2.
//
// The folder is, in this order, the one that the person names, $CCACHE_DIR, /tmp/ci_ccache where that is safe (every
// other user of the machine can write to /tmp, and whoever can write to a compiler cache decides what our compilers
// produce), and one below the person's cache folder.
//
// The statistics of a run come from ccache's stats log (ccache 4.4 or newer), in a file of the run's own: counters in
// the cache itself are shared by all runs. An older ccache leaves that file empty. ReadStats also understands
// ccache's debug log, which every version writes, for a caller that can get at /tmp/ccache.log of a container; it is
// not mounted from here, since a file that is a mount would make a script's "rm -rf /tmp/*" fail.
package ccache

import (
	"fmt"
	"os"
	"path/filepath"

	"caisson/internal/engine"
	"caisson/internal/view/ascaller"
)

// Where things are in a container.
const (
	containerDir   = "/work/ccache"
	containerTemp  = "/tmp/ccache"
	containerLog   = "/tmp/ccache.log"
	containerStats = "/run/caisson/ccache.stats" // outside /tmp and /work, which scripts empty
)

// sharedDir is the cache that the runs of one person on one machine share by default.
const sharedDir = "/tmp/ci_ccache"

// Options of Prepare.
type Options struct {
	UID, GID int   // the person who calls, who owns what is made, also when this process is root by sudo
	Groups   []int // their further groups
	// Dir is a folder that the person named for this run ("" when they did not); it wins over everything.
	Dir string
	// Getenv reads the person's environment: CCACHE_DIR, CCACHE_MAXSIZE, CCACHE_CONFIGPATH, XDG_CACHE_HOME, HOME.
	Getenv func(string) string
	// UserCacheDir is their cache folder; "" is $XDG_CACHE_HOME, else $HOME/.cache.
	UserCacheDir string

	shared       string // instead of sharedDir, in tests
	systemConfig string // instead of /etc/ccache.conf, in tests
}

// Cache is a compiler cache that is ready to be mounted.
type Cache struct {
	Dir  string // absolute, without symbolic links
	Made bool   // by this Prepare
	// MaxSize is what CCACHE_MAXSIZE is set to, in ccache's own form ("10G"); "" leaves it to the folder's own
	// configuration.
	MaxSize string
	Rule    string // why it is this folder, for people: "$CCACHE_DIR"

	stats string // the run's stats log on this machine; "" for none
}

// Prepare chooses the folder, makes it when it is missing and checks that the person can write to it. The error names
// the folder and the next step.
func Prepare(o Options) (Cache, error) {
	if o.shared == "" {
		o.shared = sharedDir
	}
	if o.systemConfig == "" {
		o.systemConfig = "/etc/ccache.conf"
	}
	var c Cache
	err := ascaller.Do(o.UID, o.GID, o.Groups, func() (err error) {
		if c, err = choose(o); err == nil {
			c.MaxSize = maxSize(o, c)
		}
		return err
	})
	return c, err
}

func choose(o Options) (Cache, error) {
	if o.Dir != "" {
		return named(o, o.Dir, "--ccache-dir", "name another folder with --ccache-dir")
	}
	if dir := o.Getenv("CCACHE_DIR"); dir != "" {
		return named(o, dir, "$CCACHE_DIR", "set CCACHE_DIR to another folder, or unset it for the default one")
	}
	made, refused := makeShared(o)
	if refused == nil {
		return Cache{Dir: o.shared, Made: made, Rule: o.shared + ", the default"}, nil
	}
	dir, err := userDir(o)
	if err != nil {
		return Cache{}, fmt.Errorf("find a folder for the compiler cache: %s cannot be it (%w), and %w: set CCACHE_DIR "+
			"to a folder that you can write to", o.shared, refused, err)
	}
	rule := "the cache folder of the user, since " + refused.Error()
	c, err := named(o, dir, rule, "set CCACHE_DIR to a folder that you can write to")
	if err != nil {
		return Cache{}, err
	}
	if err := checkPrivate(c.Dir, o.UID); err != nil {
		return Cache{}, fmt.Errorf("use %s as compiler cache: %w: run chmod 700 on it, or set CCACHE_DIR", c.Dir, err)
	}
	return c, nil
}

// userDir is the compiler cache below the person's cache folder. A relative $XDG_CACHE_HOME counts as unset (XDG Base
// Directory Specification).
func userDir(o Options) (string, error) {
	base := o.UserCacheDir
	if base == "" && filepath.IsAbs(o.Getenv("XDG_CACHE_HOME")) {
		base = o.Getenv("XDG_CACHE_HOME")
	}
	if base == "" && filepath.IsAbs(o.Getenv("HOME")) {
		base = filepath.Join(o.Getenv("HOME"), ".cache")
	}
	if base == "" {
		return "", fmt.Errorf("neither XDG_CACHE_HOME nor HOME is set")
	}
	return filepath.Join(base, "caisson", "ccache"), nil
}

// named prepares a folder that a person or a convention names: a symbolic link to it is theirs.
func named(o Options, dir, rule, next string) (Cache, error) {
	fail := func(err error) (Cache, error) {
		return Cache{}, fmt.Errorf("use %s as compiler cache (%s) as uid %d: %w: make it writable, or %s",
			dir, rule, o.UID, err, next)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fail(err)
	}
	made, err := makeAll(abs, o.UID, o.GID)
	if err != nil {
		return fail(err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return fail(err)
	}
	if real == "/" {
		return fail(fmt.Errorf("it is the root of the file system"))
	}
	if err := checkWritable(real, o); err != nil {
		return fail(err)
	}
	return Cache{Dir: real, Made: made, Rule: rule}, nil
}

// WithStats is c for one run, whose ccache logs its results to the file at path, which is made here and must not
// exist; its folder has to be closed to other users, since any user in the container may write to the file.
func (c Cache) WithStats(path string) (Cache, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return c, fmt.Errorf("make the statistics of ccache: %w", err)
	}
	if err := f.Chmod(0o666); err != nil { // whatever the umask: "su builder -c make" counts too
		f.Close() // nothing was written
		return c, fmt.Errorf("make the statistics of ccache: %w", err)
	}
	if err := f.Close(); err != nil {
		return c, fmt.Errorf("make the statistics of ccache: %w", err)
	}
	c.stats = path
	return c, nil
}

// Env is the environment of the container, NAME=VALUE, to be put before the variables of the person's own, which win.
func (c Cache) Env() []string {
	env := []string{"CCACHE_DIR=" + containerDir}
	if c.MaxSize != "" {
		env = append(env, "CCACHE_MAXSIZE="+c.MaxSize)
	}
	env = append(env, "CCACHE_TEMPDIR="+containerTemp, "CCACHE_LOGFILE="+containerLog)
	if c.stats != "" {
		env = append(env, "CCACHE_STATSLOG="+containerStats)
	}
	return env
}

// Mounts are the folder and, after WithStats, the file for the statistics.
func (c Cache) Mounts() []engine.Mount {
	mounts := []engine.Mount{{Source: c.Dir, Destination: containerDir}}
	if c.stats != "" {
		mounts = append(mounts, engine.Mount{Source: c.stats, Destination: containerStats})
	}
	return mounts
}
