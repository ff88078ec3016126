package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// later is a clock by which every file that exists now is settled.
func later() time.Time { return time.Now().Add(time.Hour) }

// tree makes a context folder from paths; a path that ends in a slash is a folder, a content "-> x" a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range files {
		put(t, filepath.Join(dir, path), content)
	}
	return dir
}

func put(t *testing.T, path, content string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	if target, ok := strings.CutPrefix(content, "-> "); ok {
		check(t, os.Symlink(target, path))
		return
	}
	if content == "/" {
		check(t, os.MkdirAll(path, 0o755))
		return
	}
	check(t, os.WriteFile(path, []byte(content), 0o644))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// planOf is a plan with one stage that copies the sources.
func planOf(sources ...string) Plan {
	stage := Stage{Written: "debian:bookworm", From: "debian:bookworm", External: true}
	for _, s := range sources {
		stage.Sources = append(stage.Sources, Source{Path: s})
	}
	return Plan{Escape: `\`, Stages: []Stage{stage}}
}

func inputOf(t *testing.T, dir string, sources ...string) KeyInput {
	t.Helper()
	return KeyInput{
		CacheDir: t.TempDir(), ContextDir: dir, Dockerfile: filepath.Join(dir, "Dockerfile.build.x"),
		Plan: planOf(sources...), Text: []byte("FROM debian:bookworm\n"), Platform: "linux/amd64",
	}
}

func keyOf(t *testing.T, in KeyInput) Key {
	t.Helper()
	k, err := computeKey(context.Background(), in, later)
	check(t, err)
	return k
}

func paths(t *testing.T, k Key) string {
	t.Helper()
	files, ok := k.files()
	if !ok {
		t.Fatal("the files of the key are not known")
	}
	var all []string
	for _, f := range files {
		all = append(all, f.path)
	}
	return strings.Join(all, " ")
}

func TestAChangeInTheContextCountsOnlyWhereTheDockerfileUsesIt(t *testing.T) {
	files := map[string]string{
		"install/deps.sh": "apt-get install gcc", "install/deep/er/x.sh": "x", "functions.sh": "build_x() { make; }",
		"unused.txt": "unused", "link.sh": "-> install/deps.sh", "dirlink": "-> install/deep", "abs": "-> /functions.sh",
		"logs/a.log": "a", "logs/keep.log": "keep", ".dockerignore": "logs/*\n!logs/keep.log\n", "Dockerfile.build.x": "FROM x",
		"chain": "-> link.sh", "loop": "-> loop", "self": "-> self/deeper", "outside": "-> ../../../functions.sh",
		"w[1].txt": "brackets",
	}
	edit := func(path, content string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, filepath.Join(dir, path), content) }
	}
	chmod := func(path string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) { check(t, os.Chmod(filepath.Join(dir, path), mode)) }
	}
	rename := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			check(t, os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)))
		}
	}
	for _, test := range []struct {
		name    string
		sources []string
		change  func(*testing.T, string)
		counts  bool
	}{
		{"an edited file changes the key", []string{"functions.sh"}, edit("functions.sh", "build_x() { ninja; }"), true},
		{"an edit of the same size changes the key", []string{"functions.sh"}, edit("functions.sh", "build_y() { make; }"), true},
		{"a leading slash is the context", []string{"/functions.sh"}, edit("functions.sh", "other"), true},
		{"dot dot stays inside the context", []string{"../functions.sh"}, edit("functions.sh", "other"), true},
		{"a file that no COPY uses does not count", []string{"functions.sh", "install"}, edit("unused.txt", "edited"), false},
		{"a file that appears beside does not count", []string{"functions.sh"}, edit("new.txt", "new"), false},
		{"a file below a folder counts", []string{"install"}, edit("install/deep/er/x.sh", "y"), true},
		{"a new file below a folder counts", []string{"install/"}, edit("install/deep/new", "y"), true},
		{"a new empty folder below a folder counts", []string{"install/"}, edit("install/deep/new/", "/"), true},
		{"a wildcard counts what it matches", []string{"install/*.sh"}, edit("install/deps.sh", "other"), true},
		{"a wildcard counts a new match", []string{"install/*.sh"}, edit("install/more.sh", "other"), true},
		{"a wildcard does not cross a slash", []string{"*.sh"}, edit("install/deps.sh", "other"), true}, // by link.sh
		{"a wildcard does not go down", []string{"install/*.sh"}, edit("install/deep/er/x.sh", "y"), false},
		{"a wildcard in a folder's name goes on below", []string{"inst*/d*/er/?.sh"}, edit("install/deep/er/x.sh", "y"), true},
		{"a wildcard that matches a folder counts all below", []string{"inst*"}, edit("install/deep/er/x.sh", "y"), true},
		{"permissions count", []string{"functions.sh"}, chmod("functions.sh", 0o755), true},
		{"permissions of a folder count", []string{"install"}, chmod("install/deep", 0o700), true},
		{"permissions of the context itself do not count", []string{"."}, chmod(".", 0o700), false},
		{"permissions of a folder on the way do not count", []string{"install/deps.sh"}, chmod("install", 0o700), false},
		{"a renamed file counts", []string{"install"}, rename("install/deps.sh", "install/deps2.sh"), true},
		{"an ignored file does not count", []string{"."}, edit("logs/a.log", "b"), false},
		{"a new ignored file does not count", []string{"."}, edit("logs/b.log", "b"), false},
		{"a file brought back by an exception counts", []string{"."}, edit("logs/keep.log", "b"), true},
		{"an ignored file does not count though it is named", []string{"logs/a.log"}, edit("logs/a.log", "b"), false},
		{"the target of a copied link counts", []string{"link.sh"}, edit("install/deps.sh", "other"), true},
		{"the target of a chain of links counts", []string{"chain"}, edit("install/deps.sh", "other"), true},
		{"what a wildcard reaches through a link counts", []string{"li*.sh"}, edit("install/deps.sh", "other"), true},
		{"what lies below a linked folder counts", []string{"dirlink"}, edit("install/deep/er/x.sh", "other"), true},
		{"a path through a linked folder counts", []string{"dirlink/er/x.sh"}, edit("install/deep/er/x.sh", "other"), true},
		{"beside a path through a linked folder nothing counts", []string{"dirlink/er/x.sh"}, edit("install/deps.sh", "other"), false},
		{"an absolute link stays inside the context", []string{"abs"}, edit("functions.sh", "other"), true},
		{"a link out of the context stays inside", []string{"outside"}, edit("functions.sh", "other"), true},
		{"a link to itself ends", []string{"loop", "functions.sh"}, edit("functions.sh", "other"), true},
		{"a link below itself ends", []string{"self", "functions.sh"}, edit("functions.sh", "other"), true},
		{"a name with brackets is found", []string{`w\[1\].txt`}, edit("w[1].txt", "other"), true},
		{"a pattern that cannot be read is the whole context", []string{"[a"}, edit("unused.txt", "other"), true},
		{"a source that matches nothing is no error", []string{"nothing", "no/thing/*"}, edit("unused.txt", "other"), false},
		{"no source is no context", nil, edit("unused.txt", "other"), false},
		{"a pipe and a socket do not count", []string{"install"}, func(t *testing.T, dir string) {
			check(t, unix.Mkfifo(filepath.Join(dir, "install/pipe"), 0o644))
		}, false},
		{"a link that points elsewhere counts", []string{"."}, func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, "link.sh")))
			check(t, os.Symlink("functions.sh", filepath.Join(dir, "link.sh")))
		}, true},
		{"a touched file with the same content does not count", []string{"."}, func(t *testing.T, dir string) {
			check(t, os.Chtimes(filepath.Join(dir, "functions.sh"), time.Now(), time.Now().Add(-time.Minute)))
		}, false},
		{"a file written again with the same content does not count", []string{"."}, edit("functions.sh", files["functions.sh"]), false},
		{"a file that becomes a folder counts", []string{"functions.sh"}, func(t *testing.T, dir string) {
			check(t, os.Remove(filepath.Join(dir, "functions.sh")))
			put(t, filepath.Join(dir, "functions.sh/inner"), "x")
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := tree(t, files)
			in := inputOf(t, dir, test.sources...)
			before := keyOf(t, in)
			if again := keyOf(t, in); again.Sum != before.Sum || again.FilesRead != 0 {
				t.Fatalf("second key %s after reading %d files, want %s after none", again.Sum, again.FilesRead, before.Sum)
			}
			test.change(t, dir)
			after := keyOf(t, in)
			if (after.Sum != before.Sum) != test.counts {
				t.Errorf("key changed: %t, want %t; it covers %s", after.Sum != before.Sum, test.counts, paths(t, after))
			}
			in.CacheDir = t.TempDir()
			if fresh := keyOf(t, in); fresh.Sum != after.Sum {
				t.Errorf("key %s with the cache of before, %s without", after.Sum, fresh.Sum)
			}
		})
	}
}

func TestOnlyFilesWhoseStatChangedAreRead(t *testing.T) {
	files := map[string]string{}
	for i := range 30 {
		files[fmt.Sprintf("d%d/f%d", i%3, i)] = "x"
	}
	dir := tree(t, files)
	in := inputOf(t, dir, ".")
	if k := keyOf(t, in); k.FilesRead != 30 {
		t.Errorf("read %d files the first time, want 30", k.FilesRead)
	}
	put(t, filepath.Join(dir, "d1/f4"), "longer")
	put(t, filepath.Join(dir, "d1/new"), "x")
	if k := keyOf(t, in); k.FilesRead != 2 {
		t.Errorf("read %d files after an edit and an addition, want 2", k.FilesRead)
	}
	check(t, os.Remove(filepath.Join(dir, "d2/f5")))
	if k := keyOf(t, in); k.FilesRead != 0 {
		t.Errorf("read %d files after a removal, want none", k.FilesRead)
	}
}

func TestAnEditWithinTheSameTickIsSeen(t *testing.T) {
	dir := tree(t, map[string]string{"f": "0000"})
	in := inputOf(t, dir, ".")
	stamp := time.Now()
	seen := map[string]bool{}
	for i := range 200 {
		put(t, filepath.Join(dir, "f"), fmt.Sprintf("%04d", i))
		check(t, os.Chtimes(filepath.Join(dir, "f"), stamp, stamp))
		k, err := ComputeKey(context.Background(), in)
		check(t, err)
		if k.FilesRead != 1 {
			t.Fatalf("round %d: a file as young as the snapshot was trusted", i)
		}
		seen[k.Sum] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d different keys for 200 different contents", len(seen))
	}
}

func TestAFileAsYoungAsTheSnapshotIsReadAgain(t *testing.T) {
	dir := tree(t, map[string]string{"young": "1", "other": "2"})
	in := inputOf(t, dir, ".")
	atWrite := func() time.Time { return time.Now().Add(-time.Minute) } // before both files were written
	for _, step := range []struct {
		name string
		now  func() time.Time
		want int
	}{
		{"at first", atWrite, 2}, {"still young", atWrite, 2}, {"old now, but not trusted yet", later, 2}, {"trusted", later, 0},
	} {
		k, err := computeKey(context.Background(), in, step.now)
		check(t, err)
		if k.FilesRead != step.want {
			t.Errorf("%s: read %d files, want %d", step.name, k.FilesRead, step.want)
		}
	}
}

func TestNewIgnoreRulesCountThoughNoFileChanged(t *testing.T) {
	dir := tree(t, map[string]string{"d/a": "1", "d/b": "2", ".dockerignore": "x"})
	in := inputOf(t, dir, "d")
	before := keyOf(t, in)
	put(t, filepath.Join(dir, ".dockerignore"), "d/b")
	after := keyOf(t, in)
	if before.Sum == after.Sum || paths(t, after) != "d d/a" {
		t.Errorf("the key covers %s, and is the same: %t", paths(t, after), before.Sum == after.Sum)
	}
}

func TestAFolderWhoseTimesChangedCostsNothing(t *testing.T) {
	dir := tree(t, map[string]string{"d/a": "1"})
	scan := contextScan{dir: dir, sources: []Source{{Path: "."}}, cache: t.TempDir() + "/c", now: later}
	_, err := scan.run(context.Background())
	check(t, err)
	put(t, filepath.Join(dir, "d/temporary"), "x")
	check(t, os.Remove(filepath.Join(dir, "d/temporary")))
	check(t, os.Chtimes(filepath.Join(dir, "d"), time.Now(), time.Now().Add(-time.Hour)))
	got, err := scan.run(context.Background())
	check(t, err)
	if got.files != nil {
		t.Error("the table of files was decoded")
	}
}

func TestAStampIsTrustedOnlyOnceItIsOld(t *testing.T) {
	start := time.Unix(1000, 500)
	at := func(d time.Duration) int64 { return start.Add(d).UnixNano() }
	for _, test := range []struct {
		name         string
		mode         uint32
		mtime, ctime int64
		want         bool
	}{
		{"old stamps are", unix.S_IFREG, at(-time.Second), at(-time.Second), true},
		{"a young change time is not", unix.S_IFREG, at(-time.Hour), at(-time.Millisecond), false},
		{"a young modification time is not", unix.S_IFREG, at(-time.Millisecond), at(-time.Hour), false},
		{"a stamp in the future is not", unix.S_IFREG, at(time.Hour), at(-time.Hour), false},
		{"whole seconds are coarse", unix.S_IFREG, 998_900_000_000, 999 * int64(time.Second), false},
		{"old whole seconds are", unix.S_IFREG, 900_000_000_000, 997 * int64(time.Second), true},
		{"a folder always is", unix.S_IFDIR, at(0), at(0), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := fileStat{mode: test.mode, mtime: test.mtime, ctime: test.ctime}
			if got := st.settled(start, localMargin); got != test.want {
				t.Errorf("settled is %t", got)
			}
		})
	}
}

func TestASpoiledStatCacheIsMadeAgain(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b/c": "2"})
	in := inputOf(t, dir, ".")
	want := keyOf(t, in).Sum
	cache := cachePath(in.CacheDir, in.ContextDir, in.Dockerfile)
	whole, err := os.ReadFile(cache)
	check(t, err)
	if len(whole) <= cacheHeadSize {
		t.Fatalf("the cache has %d bytes", len(whole))
	}
	for i := 0; i < len(whole); i += 5 {
		spoiled := append([]byte(nil), whole...)
		spoiled[i] ^= 0x55
		check(t, os.WriteFile(cache, spoiled, 0o600))
		if got := keyOf(t, in); got.Sum != want {
			t.Fatalf("byte %d spoiled: key %s, want %s", i, got.Sum, want)
		}
		// A new file makes it use the table.
		put(t, filepath.Join(dir, "new"), "")
		check(t, os.WriteFile(cache, spoiled, 0o600))
		keyOf(t, in)
		check(t, os.Remove(filepath.Join(dir, "new")))
		if got := keyOf(t, in); got.Sum != want {
			t.Fatalf("byte %d spoiled, table used: key %s, want %s", i, got.Sum, want)
		}
	}
	for _, size := range []int{0, 1, cacheHeadSize, len(whole) - 1} {
		check(t, os.WriteFile(cache, whole[:size], 0o600))
		if got := keyOf(t, in); got.Sum != want {
			t.Errorf("cut to %d bytes: key %s, want %s", size, got.Sum, want)
		}
	}
}

func TestAKeyNeedsNoCache(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1"})
	in := inputOf(t, dir, ".")
	want := keyOf(t, in).Sum
	in.CacheDir = filepath.Join(dir, "a", "below a file")
	if got := keyOf(t, in).Sum; got != want {
		t.Errorf("key %s, want %s", got, want)
	}
}

func TestEveryPartOfTheInputCounts(t *testing.T) {
	dir := tree(t, map[string]string{"a": "1", "b": "2"})
	base := func() KeyInput {
		in := inputOf(t, dir, "a")
		in.Plan.Stages[0].Args = []Arg{{Name: "USER_ID"}}
		in.Args = map[string]string{"USER_ID": "1000", "UNDECLARED": "1"}
		in.Bases = map[string]string{"debian:bookworm": "sha256:1"}
		return in
	}
	want := keyOf(t, base()).Sum
	for _, test := range []struct {
		name   string
		change func(*KeyInput)
		counts bool
	}{
		{"nothing", func(*KeyInput) {}, false},
		{"the text of the Dockerfile", func(in *KeyInput) { in.Text = []byte("FROM debian:bookworm \n") }, true},
		{"the target", func(in *KeyInput) { in.Target = "x" }, true},
		{"the platform", func(in *KeyInput) { in.Platform = "linux/arm64" }, true},
		{"an emulator", func(in *KeyInput) { in.Emulators = []string{"arm qemu 7.2.2 sha256:1"} }, true},
		{"the emulated processor", func(in *KeyInput) { in.CPU = "cortex-a7" }, true},
		{"a declared argument", func(in *KeyInput) { in.Args["USER_ID"] = "1001" }, true},
		{"a declared argument that is not given", func(in *KeyInput) { delete(in.Args, "USER_ID") }, true},
		{"an undeclared argument", func(in *KeyInput) { in.Args["UNDECLARED"] = "2" }, false},
		{"an argument of BuildKit's own", func(in *KeyInput) { in.Args["SOURCE_DATE_EPOCH"] = "1" }, true},
		{"a proxy", func(in *KeyInput) { in.Args["HTTP_PROXY"] = "http://proxy" }, false},
		{"the digest of a base", func(in *KeyInput) { in.Bases["debian:bookworm"] = "sha256:2" }, true},
		{"the whole context", func(in *KeyInput) { in.WholeContext = true }, true},
		{"where the cache is", func(in *KeyInput) { in.CacheDir = filepath.Join(dir, "no", "such") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := base()
			test.change(&in)
			if got := keyOf(t, in).Sum; (got != want) != test.counts {
				t.Errorf("key changed: %t, want %t", got != want, test.counts)
			}
		})
	}
}

func TestTheIgnoreFileOfTheDockerfileComesFirst(t *testing.T) {
	dir := tree(t, map[string]string{
		"a": "1", "b": "2", ".dockerignore": "a\n", "Dockerfile.build.x": "FROM x",
	})
	in := inputOf(t, dir, ".")
	if got, want := paths(t, keyOf(t, in)), ".dockerignore Dockerfile.build.x b"; got != want {
		t.Errorf("with .dockerignore the key covers %q, want %q", got, want)
	}
	put(t, filepath.Join(dir, "Dockerfile.build.x.dockerignore"), "*\n!a\n")
	if got, want := paths(t, keyOf(t, in)), "a"; got != want {
		t.Errorf("with the Dockerfile's own the key covers %q, want %q", got, want)
	}
}

func TestErrorsNameTheThing(t *testing.T) {
	dir := tree(t, map[string]string{".dockerignore": "[a\n"})
	in := inputOf(t, dir, ".")
	if _, err := ComputeKey(context.Background(), in); err == nil || !strings.Contains(err.Error(), ".dockerignore") {
		t.Errorf("a bad ignore file gives %v", err)
	}
	in = inputOf(t, filepath.Join(dir, "missing"), ".")
	if _, err := ComputeKey(context.Background(), in); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a missing context gives %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	check(t, os.Remove(filepath.Join(dir, ".dockerignore")))
	if _, err := ComputeKey(ctx, inputOf(t, dir, ".")); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a cancelled context gives %v", err)
	}
}
