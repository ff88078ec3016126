package security

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// shipped are images, by platform, that consist of busybox and of what a script makes in an empty folder: no step ever ran
// in them.
func shipped(scripts map[string]string) map[string]string {
	maker := "FROM tiny AS maker\nRUN true"
	for _, name := range slices.Sorted(maps.Keys(scripts)) { // the same stage for all
		maker += " && mkdir -p /l/" + name + " && cd /l/" + name + " && " + scripts[name]
	}
	files := map[string]string{}
	for name := range scripts {
		files["ci/docker/Dockerfile.build."+name] = maker + "\nFROM scratch\nCOPY --from=maker /l/" + name + "/ /\nCOPY --from=maker /bin/ /bin/\n"
	}
	return files
}

func TestAnImageOfLinksAtAllMountPointsWritesNothingOutside(t *testing.T) {
	dir, secret := outside(t)
	files := shipped(map[string]string{
		"work":        "ln -s /etc work",
		"work-up":     "ln -s ../../../../../../etc work",
		"work-self":   "ln -s /proc/self/root work",
		"build":       "mkdir work && ln -s ../../etc work/build",
		"build-tree":  "mkdir work && ln -s demo/made-by-link work/build",
		"ccache":      "mkdir work && ln -s / work/ccache",
		"ccache-out":  "mkdir work && ln -s " + dir + " work/ccache",
		"tree-out":    "mkdir work && ln -s " + dir + " work/demo",
		"resolv-conf": "mkdir etc && ln -s /work/demo/stolen etc/resolv.conf && ln -s " + dir + "/secret etc/hosts && ln -s ../../../" + dir + "/made etc/hostname",
		"secrets":     "mkdir run && ln -s /tmp run/secrets",
		"secrets-out": "mkdir run && ln -s " + dir + " run/secrets",
		"run":         "ln -s " + dir + " run",
		"dev":         "ln -s " + dir + " dev",
		"proc":        "ln -s " + dir + " proc",
		"sys":         "ln -s " + dir + " sys",
		"etc":         "ln -s " + dir + " etc",
		"accounts":    "mkdir etc && ln -s /work/demo/passwd etc/passwd && ln -s " + dir + "/secret etc/group && ln -s " + dir + " home",
	})
	tr := harness.NewTree(t, files).Owned(t)
	before := hostState(t)
	for file := range files {
		platform := strings.TrimPrefix(file, "ci/docker/Dockerfile.build.")
		t.Run(platform, func(t *testing.T) {
			tr.Must(t, "-p", platform, "-b")
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
	files := shipped(map[string]string{
		"fifo-passwd":   "mkdir etc && mkfifo etc/passwd",
		"fifo-group":    "mkdir etc && mkfifo etc/group",
		"fifo-shadow":   "mkdir etc && mkfifo etc/shadow",
		"fifo-hosts":    "mkdir etc && mkfifo etc/hosts etc/resolv.conf etc/hostname",
		"huge-passwd":   "mkdir etc && truncate -s 256M etc/passwd",
		"endless":       "mkdir etc && ln -s /dev/zero etc/passwd",
		"terminal":      "mkdir etc && ln -s /proc/self/fd/0 etc/passwd",
		"folder-passwd": "mkdir etc && mkdir etc/passwd",
		"folder-hosts":  "mkdir etc && mkdir etc/hosts",
		"loop":          "mkdir etc && ln -s passwd etc/passwd",
	})
	tr := harness.NewTree(t, files).Owned(t)
	for file := range files {
		platform := strings.TrimPrefix(file, "ci/docker/Dockerfile.build.")
		t.Run(platform, func(t *testing.T) {
			tr.Must(t, "-p", platform, "-b")
			r := limited(t, tr.Command("--timeout", "8s", "-p", platform, "awk", "/^Uid:/ { print $2 }", "/proc/self/status"))
			worksOrSays(t, r)
			if r.Took > 8*time.Second {
				t.Errorf("status %d after %s:\n%s", r.Code, r.Took, r.Stderr)
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
