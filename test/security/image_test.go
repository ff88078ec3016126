package security

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"caisson/test/harness"
)

// hostState is what of this machine the links of hostile images name: account files and their like, and that nothing was
// made where the links lead.
func hostState(t testing.TB) string {
	t.Helper()
	b := &strings.Builder{}
	for _, name := range []string{"passwd", "group", "shadow", "hosts", "resolv.conf", "hostname"} {
		text, err := os.ReadFile(filepath.Join("/etc", name))
		fmt.Fprintf(b, "/etc/%s: %q %v\n", name, text, err)
	}
	for _, path := range []string{
		"/etc/demo", "/etc/build", "/etc/ccache", "/work/demo", "/work/build", "/work/ccache", "/demo", "/build", "/ccache", "/tmp/s", "/run/secrets",
		"/etc/self", "/etc/caisson-init", "/etc/pts", "/etc/shm", "/etc/resolv.conf.d",
	} {
		_, err := os.Lstat(path)
		fmt.Fprintf(b, "%s: %v\n", path, err)
	}
	return b.String()
}

func TestAnImageOfLinksAtAllMountPointsWritesNothingOutside(t *testing.T) {
	dir, secret := outside(t)
	files := map[string]string{}
	for name, line := range map[string]string{
		"work":        "ln -s /etc /work",
		"work-up":     "ln -s ../../../../../../etc /work",
		"work-self":   "ln -s /proc/self/root /work",
		"build":       "mkdir /work && ln -s ../../etc /work/build",
		"build-tree":  "mkdir /work && ln -s demo/made-by-link /work/build",
		"ccache":      "mkdir /work && ln -s / /work/ccache",
		"ccache-out":  "mkdir /work && ln -s " + dir + " /work/ccache",
		"tree-out":    "mkdir /work && ln -s " + dir + " /work/demo",
		"resolv-conf": "ln -sf /work/demo/stolen /etc/resolv.conf; rm -f /etc/hosts; ln -s " + dir + "/secret /etc/hosts",
		"secrets":     "mkdir -p /run && ln -s /tmp /run/secrets",
		"secrets-out": "mkdir -p /run && ln -s " + dir + " /run/secrets",
		"run-caisson": "mkdir -p /run && ln -s " + dir + " /run/caisson",
		"dev":         "ln -s /etc /newdev; mv -T /newdev /dev 2>/dev/null; true",
		"accounts":    "rm -f /etc/passwd /etc/group; ln -s /work/demo/passwd /etc/passwd; ln -s " + dir + "/secret /etc/group; ln -s " + dir + " /home",
	} {
		files["ci/docker/Dockerfile.build."+name] = "FROM tiny\nRUN " + line + "\n"
	}
	tr := harness.NewTree(t, files).Owned(t)
	before := hostState(t)
	for file := range files {
		platform := strings.TrimPrefix(file, "ci/docker/Dockerfile.build.")
		t.Run(platform, func(t *testing.T) {
			r := tr.Command("--secret", "id=s,src=/etc/hostname", "-p", platform, "sh", "-c", "id; echo x > /work/build/made; echo x > /work/ccache/made").Run(t)
			worksOrSays(t, r)
			if after := hostState(t); after != before {
				t.Errorf("this machine was changed:\n%s\nbefore:\n%s", after, before)
			}
			untouched(t, dir, secret)
		})
	}
}

// limited is a command that may have 6 GiB of addresses, so that what fills memory fills no more.
func limited(t testing.TB, c harness.Command) harness.Result {
	t.Helper()
	bin := harness.Caisson(t)
	prlimit, err := exec.LookPath("prlimit")
	must(t, err)
	return through(t, c, prlimit, "--as=6442450944", bin)
}

func TestHostileAccountFilesEndInBoundedTime(t *testing.T) {
	files := map[string]string{}
	for name, line := range map[string]string{
		"fifo-passwd":   "rm /etc/passwd; mkfifo /etc/passwd",
		"fifo-group":    "rm /etc/group; mkfifo /etc/group",
		"fifo-shadow":   "rm -f /etc/shadow; mkfifo /etc/shadow",
		"huge-passwd":   "truncate -s 1G /etc/passwd",
		"endless":       "rm /etc/passwd; ln -s /dev/zero /etc/passwd",
		"terminal":      "rm /etc/passwd; ln -s /proc/self/fd/0 /etc/passwd",
		"folder-passwd": "rm /etc/passwd; mkdir /etc/passwd",
		"folder-hosts":  "mkdir -p /etc/hosts /etc/resolv.conf /etc/hostname",
		"loop":          "rm /etc/passwd; ln -s passwd /etc/passwd",
		"no-shell":      "rm /bin/sh",
	} {
		files["ci/docker/Dockerfile.build."+name] = "FROM tiny\nRUN " + line + "; true\n"
	}
	tr := harness.NewTree(t, files).Owned(t)
	for file := range files {
		platform := strings.TrimPrefix(file, "ci/docker/Dockerfile.build.")
		t.Run(platform, func(t *testing.T) {
			tr.Must(t, "-p", platform, "-b")
			r := limited(t, tr.Command("--timeout", "8s", "-p", platform, "id", "-u"))
			t.Logf("status %d after %s: %s", r.Code, r.Took, r.Stderr)
			worksOrSays(t, r)
			if r.Took > 8*time.Second {
				t.Errorf("it took %s", r.Took)
			}
			if r.Code == 0 && r.Stdout != "54321\n" {
				t.Errorf("the caller is %q", r.Stdout)
			}
		})
	}
}

func TestAnImageThatCallsTheCallerRootGivesThemNoRights(t *testing.T) {
	tr := tiny(t, "FROM tiny\nRUN echo root:x:54321:0:root:/root:/bin/sh > /etc/passwd && echo root:x:54322: > /etc/group\n").Owned(t)
	got := sh(t, tr, `id -un; id -ru; id -rg; grep CapEff /proc/self/status; (echo x > /etc/made) 2>/dev/null && echo root; true`)
	equal(t, "what the command sees", got, "root\n54321\n54322\nCapEff:\t0000000000000000\n")
}
