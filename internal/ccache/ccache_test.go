package ccache

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/internal/engine"

	"github.com/google/go-cmp/cmp"
)

const nobody, nogroup = 65534, 65534

// place is a machine of its own: a /tmp with the sticky bit, a home, an environment.
type place struct {
	dir, tmp, home string
	env            map[string]string
	options        Options
}

func newPlace(t *testing.T, uid int) *place {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("these tests play several users: run them as root")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{dir: dir, tmp: filepath.Join(dir, "tmp"), home: filepath.Join(dir, "home"), env: map[string]string{}}
	for d := dir; strings.HasPrefix(d, os.TempDir()+"/"); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	must(t, os.Mkdir(p.tmp, 0o700))
	must(t, os.Chmod(p.tmp, os.ModeSticky|0o777))
	must(t, os.Mkdir(p.home, 0o755))
	gid := 0
	if uid != 0 {
		gid = nogroup
	}
	must(t, os.Chown(p.home, uid, gid))
	p.env["HOME"] = p.home
	p.options = Options{UID: uid, GID: gid, Getenv: func(name string) string { return p.env[name] },
		shared: filepath.Join(p.tmp, "ci_ccache"), systemConfig: filepath.Join(dir, "etc.conf")}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (p *place) prepare(t *testing.T) Cache {
	t.Helper()
	c, err := Prepare(p.options)
	must(t, err)
	return c
}

func checkFolder(t *testing.T, path string, uid int, mode os.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	st := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || int(st.Uid) != uid || info.Mode().Perm() != mode {
		t.Errorf("%s: %v of uid %d, want mode %v of uid %d", path, info.Mode(), st.Uid, mode, uid)
	}
}

func TestTheDefaultIsASafeFolderInTmpAndFoundAgain(t *testing.T) {
	for _, uid := range []int{0, nobody} {
		p := newPlace(t, uid)
		first, second := p.prepare(t), p.prepare(t)
		want := Cache{Dir: p.options.shared, Made: true, MaxSize: "10G", Rule: p.options.shared + ", the default"}
		if diff := cmp.Diff(want, first, cmp.AllowUnexported(Cache{})); diff != "" {
			t.Fatal(diff)
		}
		if second.Made || second.Dir != first.Dir || second.MaxSize != "10G" {
			t.Fatalf("found again: %+v", second)
		}
		checkFolder(t, first.Dir, uid, 0o700)
	}
}

func TestAFolderOfAnOlderToolIsClosedToOthers(t *testing.T) {
	p := newPlace(t, nobody)
	must(t, os.Mkdir(p.options.shared, 0o755))
	must(t, os.Chown(p.options.shared, nobody, nogroup))
	if c := p.prepare(t); c.Dir != p.options.shared || c.Made {
		t.Fatalf("%+v", c)
	}
	checkFolder(t, p.options.shared, nobody, 0o700)
}

func TestWhatSomebodyElseCouldHaveWrittenIsNotUsed(t *testing.T) {
	own := func(t *testing.T, path string, uid int) { must(t, os.Lchown(path, uid, uid)) }
	for name, c := range map[string]struct {
		set  func(t *testing.T, p *place)
		rule string
	}{
		"another user's folder": {func(t *testing.T, p *place) {
			must(t, os.Mkdir(p.options.shared, 0o777))
			own(t, p.options.shared, 4242)
		}, "belongs to uid 4242"},
		"another user's closed folder": {func(t *testing.T, p *place) {
			must(t, os.Mkdir(p.options.shared, 0o700))
			own(t, p.options.shared, 4242)
		}, "belongs to uid 4242"},
		"a folder of root, under sudo": {func(t *testing.T, p *place) {
			must(t, os.Mkdir(p.options.shared, 0o700))
		}, "belongs to uid 0"},
		"our own folder, open to all": {func(t *testing.T, p *place) {
			must(t, os.Mkdir(p.options.shared, 0o700))
			must(t, os.Chmod(p.options.shared, 0o777))
			own(t, p.options.shared, nobody)
		}, "open for others to write (mode 0777)"},
		"a link to our own folder": {func(t *testing.T, p *place) {
			must(t, os.Symlink(p.home, p.options.shared))
		}, "is not a real folder"},
		"a link to nothing": {func(t *testing.T, p *place) {
			must(t, os.Symlink(filepath.Join(p.home, "planted"), p.options.shared))
		}, "is not a real folder"},
		"a file": {func(t *testing.T, p *place) {
			must(t, os.WriteFile(p.options.shared, nil, 0o600))
			own(t, p.options.shared, nobody)
		}, "is not a real folder"},
		"a /tmp without the sticky bit": {func(t *testing.T, p *place) {
			must(t, os.Chmod(p.tmp, 0o777))
		}, "others could replace folders in"},
		"a /tmp of another user": {func(t *testing.T, p *place) {
			own(t, p.tmp, 4242)
		}, "others could replace folders in"},
		"a /tmp that is missing": {func(t *testing.T, p *place) {
			must(t, os.Remove(p.tmp))
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, nobody)
			c.set(t, p)
			got := p.prepare(t)
			want := filepath.Join(p.home, ".cache", "caisson", "ccache")
			if got.Dir != want || !got.Made || got.MaxSize != "10G" || !strings.Contains(got.Rule, c.rule) {
				t.Fatalf("%+v, want %s and a rule with %q", got, want, c.rule)
			}
			checkFolder(t, want, nobody, 0o700)
			checkFolder(t, filepath.Dir(want), nobody, 0o755)
			if _, err := os.Lstat(filepath.Join(p.home, "planted")); err == nil {
				t.Error("a planted link was followed")
			}
		})
	}
}

func TestANamedFolderWins(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		flag string // below the place's folder
		want string
		rule string
	}{
		"the flag over everything":   {map[string]string{"CCACHE_DIR": "home/env"}, "home/flag/deep", "home/flag/deep", "--ccache-dir"},
		"the environment over /tmp":  {map[string]string{"CCACHE_DIR": "home/env \"x\":\nü"}, "", "home/env \"x\":\nü", "$CCACHE_DIR"},
		"the XDG folder over .cache": {map[string]string{"XDG_CACHE_HOME": "home/xdg"}, "", "home/xdg/caisson/ccache", "cache folder of the user"},
		"a link that the user made":  {nil, "home/link", "home/real", "--ccache-dir"},
		"a folder below such a link": {nil, "home/link/new", "home/real/new", "--ccache-dir"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, nobody)
			must(t, os.WriteFile(p.options.shared, nil, 0o600)) // no default one
			must(t, os.Mkdir(filepath.Join(p.home, "real"), 0o700))
			must(t, os.Chown(filepath.Join(p.home, "real"), nobody, nogroup))
			must(t, os.Symlink("real", filepath.Join(p.home, "link")))
			for k, v := range c.env {
				p.env[k] = filepath.Join(p.dir, v)
			}
			if c.flag != "" {
				p.options.Dir = filepath.Join(p.dir, c.flag)
			}
			got := p.prepare(t)
			if got.Dir != filepath.Join(p.dir, c.want) || !strings.Contains(got.Rule, c.rule) {
				t.Fatalf("%+v", got)
			}
			checkFolder(t, got.Dir, nobody, 0o700)
		})
	}
}

func TestAFolderThatCannotBeUsedIsAnErrorWithTheNextStep(t *testing.T) {
	const next = "set CCACHE_DIR to another folder, or unset it"
	for name, c := range map[string]struct {
		set  func(t *testing.T, p *place) // CCACHE_DIR is home/cache
		want []string
	}{
		"not writable": {func(t *testing.T, p *place) {
			must(t, os.Mkdir(p.env["CCACHE_DIR"], 0o755))
		}, []string{"$CCACHE_DIR", "as uid 65534", "permission denied", next}},
		"in a folder that is not writable": {func(t *testing.T, p *place) {
			must(t, os.Chown(p.home, 0, 0))
		}, []string{"permission denied", next}},
		"a file": {func(t *testing.T, p *place) {
			must(t, os.WriteFile(p.env["CCACHE_DIR"], nil, 0o600))
		}, []string{"not a directory", next}},
		"a link to nothing": {func(t *testing.T, p *place) {
			must(t, os.Symlink("/nowhere/at/all", p.env["CCACHE_DIR"]))
		}, []string{"symbolic link to something that does not exist", next}},
		"the root": {func(t *testing.T, p *place) {
			p.env["CCACHE_DIR"] = "/"
		}, []string{"use / as compiler cache", "root of the file system", next}},
		"on a file system that nobody can write": {func(t *testing.T, p *place) {
			p.env["CCACHE_DIR"] = "/proc/sys"
			p.options.UID, p.options.GID = 0, 0
		}, []string{"/proc/sys", next}},
		"no default at all": {func(t *testing.T, p *place) {
			must(t, os.Remove(p.tmp))
			delete(p.env, "CCACHE_DIR")
			delete(p.env, "HOME")
		}, []string{"neither XDG_CACHE_HOME nor HOME is set", "set CCACHE_DIR to a folder"}},
		"a default that others can write": {func(t *testing.T, p *place) {
			must(t, os.Remove(p.tmp))
			delete(p.env, "CCACHE_DIR")
			p.options.UserCacheDir = p.home
			bad := filepath.Join(p.home, "caisson", "ccache")
			must(t, os.MkdirAll(bad, 0o755))
			must(t, os.Chown(bad, nobody, nogroup))
			must(t, os.Chmod(bad, 0o777))
		}, []string{"open for others to write", "chmod 700"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, nobody)
			p.env["CCACHE_DIR"] = filepath.Join(p.home, "cache")
			c.set(t, p)
			got, err := Prepare(p.options)
			if err == nil {
				t.Fatalf("used %+v", got)
			}
			for _, want := range append(c.want, p.env["CCACHE_DIR"]) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
		})
	}
}

func TestTheLimitNeverShrinksAFoundFolder(t *testing.T) {
	for name, c := range map[string]struct {
		own, system, configPath string // contents of configurations, "" for none
		env                     string
		made                    bool
		want                    string
	}{
		"a new folder":                          {made: true, system: "max_size = 2G", want: "10G"},
		"found without a configuration":         {want: "10G"},
		"found with a larger one":               {own: "max_size = 50G\n", want: "50G"},
		"found with a smaller one of its owner": {own: "# x\nmax_size=1G\nmax_size = 2.5 GiB\n", want: "2.5 GiB"},
		"found without a limit":                 {own: "max_size = 0", want: "0"},
		"a form that only ccache knows":         {own: "max_size = ${SIZE}", want: ""},
		"other settings only":                   {own: "compression = true\nmax_files = 3\n", want: "10G"},
		"a larger one for the machine":          {system: "max_size = 20Gi", want: "20Gi"},
		"a smaller one for the machine":         {system: "max_size = 900M", want: "10G"},
		"no limit for the machine":              {system: "max_size = 0", want: "0"},
		"the person's configuration elsewhere":  {configPath: "max_size = 1T", system: "max_size = 20G", want: "1T"},
		"the folder's own before the machine's": {own: "max_size = 12G", system: "max_size = 20G", want: "12G"},
		"the environment over a found one":      {own: "max_size = 50G", env: "3G", want: "3G"},
		"the environment over a new one":        {made: true, env: "30G", want: "30G"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, 0)
			p.env["CCACHE_MAXSIZE"] = c.env
			if !c.made {
				must(t, os.Mkdir(p.options.shared, 0o700))
			}
			if c.configPath != "" {
				p.env["CCACHE_CONFIGPATH"] = filepath.Join(p.dir, "person.conf")
			}
			for path, content := range map[string]string{filepath.Join(p.options.shared, "ccache.conf"): c.own,
				p.options.systemConfig: c.system, p.env["CCACHE_CONFIGPATH"]: c.configPath} {
				if content != "" {
					must(t, os.WriteFile(path, []byte(content), 0o600))
				}
			}
			got := p.prepare(t)
			if got.MaxSize != c.want || got.Made != c.made {
				t.Fatalf("%+v, want %q", got, c.want)
			}
			set := strings.Contains(strings.Join(got.Env(), "\n"), "CCACHE_MAXSIZE="+c.want)
			if set != (c.want != "") {
				t.Fatalf("environment %q", got.Env())
			}
		})
	}
}

func TestEnvironmentAndMountsOfAContainer(t *testing.T) {
	c := Cache{Dir: "/host/cache", MaxSize: "10G"}
	env := []string{"CCACHE_DIR=/work/ccache", "CCACHE_MAXSIZE=10G", "CCACHE_TEMPDIR=/tmp/ccache", "CCACHE_LOGFILE=/tmp/ccache.log"}
	mounts := []engine.Mount{{Source: "/host/cache", Destination: "/work/ccache"}}
	if diff := cmp.Diff(env, c.Env()) + cmp.Diff(mounts, c.Mounts()); diff != "" {
		t.Fatal(diff)
	}
	stats := filepath.Join(t.TempDir(), "stats")
	s, err := c.WithStats(stats)
	must(t, err)
	env = append(env, "CCACHE_STATSLOG=/run/caisson/ccache.stats")
	mounts = append(mounts, engine.Mount{Source: stats, Destination: "/run/caisson/ccache.stats"})
	if diff := cmp.Diff(env, s.Env()) + cmp.Diff(mounts, s.Mounts()); diff != "" {
		t.Fatal(diff)
	}
	if info, err := os.Stat(stats); err != nil || info.Mode().Perm() != 0o666 {
		t.Fatalf("%v %v", info, err)
	}
	if _, err := c.WithStats(stats); err == nil {
		t.Fatal("a file that was there before was taken for a new one")
	}
}
