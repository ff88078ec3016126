package ccache

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestALineForPeople(t *testing.T) {
	for want, s := range map[string]Stats{
		"ccache: not used":                               {},
		"ccache: 118 hits, 2 misses (98.3 %)":            {Hits: 118, Misses: 2, Uncacheable: 7},
		"ccache: 1 hit, 1 miss (50.0 %)":                 {Hits: 1, Misses: 1},
		"ccache: 0 hits, 9 misses (0.0 %)":               {Misses: 9},
		"ccache: 3 hits, 0 misses (100.0 %)":             {Hits: 3},
		"ccache: 99999 hits, 1 miss (99.9 %)":            {Hits: 99999, Misses: 1},
		"ccache: 1 hit, 99999 misses (0.1 %)":            {Hits: 1, Misses: 99999},
		"ccache: nothing cacheable in 1 call":            {Uncacheable: 1},
		"ccache: nothing cacheable in 5 calls, 2 errors": {Uncacheable: 3, Errors: 2},
		"ccache: 2 hits, 2 misses (50.0 %), 1 error":     {Hits: 2, Misses: 2, Errors: 1},
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}

func TestTheDebugLogOfOldVersionsIsUnderstood(t *testing.T) {
	log := `[2019-10-01T10:00:00.000000 4711 ] === CCACHE 3.7.7 STARTED =========================================
[2019-10-01T10:00:00.000001 4711 ] Command line: ccache gcc -DX="] Result: cache miss" -c a.c
[2019-10-01T10:00:00.000002 4711 ] Result: cache hit (direct)
[2019-10-01T10:00:00.000003 4712 ] Result: cache hit (preprocessed)
[2019-10-01T10:00:00.000004 4713 ] Result: cache miss
[2019-10-01T10:00:00.000005 4714 ] Result: called for link
[2019-10-01T10:00:00.000006 4715 ] Result: can't use precompiled header
[2019-10-01T10:00:00.000007 4716 ] Result: couldn't find the compiler
[2019-10-01T10:00:00.000008 4717 ] Result: cleanups performed
` + "[2019 1 ] Executing " + strings.Repeat("x", 200<<10) + "\n[2019 1 ] Result: cache miss"
	got, err := parseStats(strings.NewReader(log))
	want := Stats{Hits: 2, DirectHits: 1, PreprocessedHits: 1, Misses: 2, Uncacheable: 2, Errors: 1}
	if err != nil || got != want {
		t.Fatalf("%+v %v, want %+v", got, err, want)
	}
}

func TestOnlyARegularFileIsRead(t *testing.T) {
	dir := t.TempDir()
	secret, link, pipe := filepath.Join(dir, "secret"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	must(t, os.WriteFile(secret, []byte("cache_miss\n"), 0o600))
	must(t, os.Symlink(secret, link))
	must(t, unix.Mkfifo(pipe, 0o600))
	for _, path := range []string{link, pipe, dir, filepath.Join(dir, "missing"), "/dev/zero"} {
		if s, err := ReadStats(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %+v %v", path, s, err)
		}
	}
}

// compiler runs gcc through the real ccache with the environment of a container, its paths put back to this machine's.
type compiler struct {
	dir, log string
	cache    Cache
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	for _, tool := range []string{"ccache", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("this test compiles with the real ccache and gcc: %v", err)
		}
	}
	p := newPlace(t, 0)
	return &compiler{dir: t.TempDir(), cache: p.prepare(t)}
}

// run is one run's worth of calls, with statistics of its own.
func (c *compiler) run(t *testing.T, calls func(ccache func(args ...string))) Stats {
	t.Helper()
	dir := t.TempDir()
	c.log = filepath.Join(dir, "log")
	cache, err := c.cache.WithStats(filepath.Join(dir, "stats"))
	must(t, err)
	paths := strings.NewReplacer("="+containerDir, "="+cache.Dir, "="+containerTemp+"\n", "="+dir+"/tmp\n",
		"="+containerLog, "="+c.log, "="+containerStats, "="+cache.stats)
	env := strings.Split(strings.TrimSpace(paths.Replace(strings.Join(cache.Env(), "\n")+"\n")), "\n")
	calls(func(args ...string) {
		cmd := exec.Command("ccache", args...)
		cmd.Dir = c.dir
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
		cmd.Run() // also of calls that are meant to fail
	})
	s, err := ReadStats(cache.stats)
	must(t, err)
	return s
}

func (c *compiler) source(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600))
}

func TestTheRealCcacheIsCountedRunByRun(t *testing.T) {
	c := newCompiler(t)
	c.source(t, "a.c", "int a(void) { return 1; }\n")
	c.source(t, "bad.c", "int a = ;\n")
	compile := func(ccache func(...string)) { ccache("gcc", "-c", "a.c", "-o", "a.o") }
	for _, step := range []struct {
		name  string
		calls func(ccache func(args ...string))
		want  Stats
	}{
		{"the first time", compile, Stats{Misses: 1}},
		{"again", compile, Stats{Hits: 1, DirectHits: 1}},
		{"after a change of a comment only", func(ccache func(...string)) {
			c.source(t, "a.c", "int a(void) { return 1; } // one\n")
			compile(ccache)
		}, Stats{Hits: 1, PreprocessedHits: 1}},
		{"what cannot be cached", func(ccache func(...string)) {
			ccache("gcc", "-shared", "a.o", "-o", "a.so")
			ccache("gcc", "-E", "a.c")
			ccache("gcc", "-c", "bad.c")
			ccache("no-such-compiler", "-c", "a.c")
		}, Stats{Uncacheable: 3}},
		{"nothing", func(func(...string)) {}, Stats{}},
		{"not a compilation", func(ccache func(...string)) { ccache("--show-stats") }, Stats{}},
	} {
		got := c.run(t, step.calls)
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
		if log, err := os.Open(c.log); err == nil { // both sources say the same
			fromLog, err := parseStats(log)
			must(t, err)
			must(t, log.Close())
			if fromLog != got {
				t.Errorf("%s: debug log %+v, stats log %+v", step.name, fromLog, got)
			}
		}
	}
}

func TestCompilersAtOnceAreAllCounted(t *testing.T) {
	c := newCompiler(t)
	const files = 24
	for i := range files {
		c.source(t, fmt.Sprintf("f%d.c", i), fmt.Sprintf("int f%d(void) { return %d; }\n", i, i))
	}
	all := func(ccache func(...string)) {
		var wg sync.WaitGroup
		for i := range files {
			wg.Go(func() { ccache("gcc", "-c", fmt.Sprintf("f%d.c", i)) })
		}
		wg.Wait()
	}
	first, second := c.run(t, all), c.run(t, all)
	if want := (Stats{Misses: files}); first != want {
		t.Errorf("first: %+v", first)
	}
	if want := (Stats{Hits: files, DirectHits: files}); second != want {
		t.Errorf("second: %+v", second)
	}
}

func TestTheRealCcacheTakesTheLimit(t *testing.T) {
	for size, want := range map[string]string{ownSize: "10.0G", "50G": "50.0G", "0": "0"} {
		cmd := exec.Command("ccache", "--get-config", "max_size")
		cmd.Env = []string{"HOME=" + t.TempDir(), "CCACHE_MAXSIZE=" + size}
		out, err := cmd.Output()
		if got := strings.TrimSpace(string(out)); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: ccache says %q %v", size, got, err)
		}
	}
}
