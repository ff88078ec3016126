package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"caisson/internal/payload"
	"caisson/internal/sandbox"
	"caisson/test/harness"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// platforms of the measured project: on a base of 2 MB and on Debian.
var platforms = []string{"tiny", "debian"}

func benchProject(t testing.TB) string {
	return harness.Project(t, "bench", map[string]string{"ci/docker/Dockerfile.build.debian": "FROM " + harness.Debian + "\n"})
}

// bare makes a contender of runc alone: the specification is the one that caisson gives to runc, taken from a run that
// is alive, with two differences: the process is the command itself instead of caisson's init, and the root file system
// is mounted already. State and bundle lie in memory, as caisson's do.
func bare(t testing.TB, caisson harness.Command, platform string) contender {
	t.Helper()
	dir := t.TempDir()
	bundle := filepath.Join(dir, "bundle")
	rootfs := filepath.Join(dir, "rootfs")
	mountTmpfs(t, bundle)
	spec, lowers := liveRun(t, caisson, platform, bundle)
	spec.Process.Args = []string{"true"}
	spec.Root.Path = rootfs
	spec.Linux.CgroupsPath += "-bare"
	// caisson's sandbox has the network namespace, and runc finds itself in it.
	spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: specs.NetworkNamespace})
	b, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(bundle, "config.json"), b)
	mountOverlay(t, sandbox.Overlay{Lowers: lowers, Upper: filepath.Join(dir, "upper"), Work: filepath.Join(dir, "work"), Target: rootfs})
	runc, err := filepath.Glob(filepath.Join(caisson.Store, "payload", "*", payload.Runc))
	if err != nil || len(runc) != 1 {
		t.Fatalf("programs called runc in the store: %q %v", runc, err)
	}
	return program("runc", runc[0], "--root", filepath.Join(bundle, "state"), "run", "--bundle", bundle, "caisson-bench-"+platform)
}

// liveRun starts a run, and while its command waits takes from its sandbox what runc was given: the specification with
// the files that it binds into /etc, which are copied to bundle, and the layers of the root file system.
func liveRun(t testing.TB, c harness.Command, platform, bundle string) (*specs.Spec, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), onceLimit)
	defer cancel()
	const mark = "CAISSON_BENCH_LIVE=1"
	c.Env = append(c.Env, mark)
	c.Args = []string{"-p", platform, "sh", "-c", "echo ready; read line"}
	cmd := c.Cmd(ctx, t)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = cmd.Wait() // read(1) at the end of its input: the status does not matter
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the run to look at said %q: %v", line, err)
	}
	root := supervisorRoot(t, mark)
	spec := &specs.Spec{}
	inside := filepath.Join(root, bundleOf(t, c.Store))
	b, err := os.ReadFile(filepath.Join(inside, "config.json"))
	if err != nil {
		t.Fatalf("read the specification of the live run: %v", err)
	}
	if err := json.Unmarshal(b, spec); err != nil {
		t.Fatal(err)
	}
	for i, m := range spec.Mounts {
		switch dir := filepath.Dir(m.Source); {
		case dir == bundleOf(t, c.Store):
			text, err := os.ReadFile(filepath.Join(root, m.Source))
			if err != nil {
				t.Fatal(err)
			}
			spec.Mounts[i].Source = filepath.Join(bundle, filepath.Base(m.Source))
			writeFile(t, spec.Mounts[i].Source, text)
		case strings.HasPrefix(dir, filepath.Dir(bundleOf(t, c.Store))): // a folder of the host's, bound into the sandbox
			spec.Mounts[i].Source = original(t, filepath.Join(root, m.Source), c.Dir)
		}
	}
	return spec, lowers(t, root)
}

// original finds the folder of the host that a path inside the sandbox shows: the project, its build folder or its cache.
// What is the run's own, for the statistics of the compiler cache, is replaced by an empty folder.
func original(t testing.TB, inside, project string) string {
	t.Helper()
	want, err := os.Stat(inside)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{project, filepath.Join(project, "build"), cacheDir(project)} {
		if st, err := os.Stat(dir); err == nil && os.SameFile(st, want) {
			return dir
		}
	}
	return t.TempDir()
}

// cacheDir is the compiler cache of a measured project, beside its root.
func cacheDir(project string) string { return filepath.Join(filepath.Dir(project), "ccache") }

// bundleOf is where a run's bundle lies, inside its sandbox.
func bundleOf(t testing.TB, store string) string {
	t.Helper()
	real, err := filepath.EvalSymlinks(store)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(real, "scratch", "bundle")
}

// supervisorRoot finds the supervisor among the processes of a run and returns the path of its root folder.
func supervisorRoot(t testing.TB, mark string) string {
	t.Helper()
	for _, pid := range harness.Processes(t, mark) {
		name, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		if err == nil && strings.HasPrefix(string(name), "caisson-supervisor\x00") {
			return filepath.Join("/proc", pid, "root")
		}
	}
	t.Fatal("a live run has no supervisor")
	return ""
}

// lowers returns the folders under the root file system of the live run, the top one first (overlayfs' mount options).
func lowers(t testing.TB, root string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(filepath.Dir(root), "mountinfo"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		_, options, ok := strings.Cut(line, " - overlay ")
		if !ok {
			continue
		}
		var dirs []string
		for option := range strings.SplitSeq(strings.TrimSpace(options), ",") {
			if d, ok := strings.CutPrefix(option, "lowerdir+="); ok {
				dirs = append(dirs, d)
			} else if d, ok := strings.CutPrefix(option, "lowerdir="); ok {
				dirs = append(dirs, strings.Split(d, ":")...)
			}
		}
		return dirs
	}
	t.Fatalf("a live run has no overlay:\n%s", b)
	return nil
}

func mountTmpfs(t testing.TB, dir string) {
	t.Helper()
	makeDir(t, dir)
	if err := sandbox.Tmpfs(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, dir) })
}

func mountOverlay(t testing.TB, o sandbox.Overlay) {
	t.Helper()
	for _, dir := range []string{o.Upper, o.Work, o.Target} {
		makeDir(t, dir)
	}
	if err := o.Mount(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unmount(t, o.Target) })
}

func unmount(t testing.TB, dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

func makeDir(t testing.TB, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
