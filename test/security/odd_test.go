package security

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

func TestAFIFOInTheTreeHoldsNobody(t *testing.T) {
	for _, path := range []string{
		"caisson.yaml", "ci/docker/Dockerfile.build.tiny", "ci/docker/.dockerignore", "ci/docker/Dockerfile.build.tiny.dockerignore",
		"ci/docker/runtime_functions.sh", "ci/docker/in-the-context", ".git", "build", ".other_root",
	} {
		t.Run(path, func(t *testing.T) {
			tr := tiny(t, "FROM tiny\nCOPY . /x\n")
			must(t, os.RemoveAll(tr.File(path)))
			must(t, syscall.Mkfifo(tr.File(path), 0o644))
			must(t, os.Lchown(tr.File(path), harness.Runner().UID, harness.Runner().GID))
			r := through(t, tr.Command("-r", "1", "-p", "tiny"), "/usr/bin/timeout", "-k", "3", "10", harness.Caisson(t))
			worksOrSays(t, r)
			if r.Code == 124 || r.Code == 137 {
				t.Errorf("it hangs:\n%s", r.Stderr)
			}
		})
	}
}

// A descriptor of a folder of this machine, left open in a container's process, would make such a working directory a
// way out.
func TestAWorkingDirectoryOfADescriptorIsNoWayOut(t *testing.T) {
	dir, secret := outside(t)
	files := map[string]string{}
	way := strings.Repeat("../", 20) + dir[1:] + "/secret"
	for n := 3; n < 9; n++ {
		files[fmt.Sprintf("ci/docker/Dockerfile.build.fd%d", n)] = fmt.Sprintf("FROM tiny\nWORKDIR /proc/self/fd/%d\nRUN cat %s > /said; true\n", n, way)
	}
	tr := harness.NewTree(t, files)
	for n := 3; n < 9; n++ {
		r := tr.Command("-r", "1", "-p", fmt.Sprintf("fd%d", n), "sh", "-c", "cat "+way+" /said; ls -ld .").Run(t)
		worksOrSays(t, r)
		if strings.Contains(r.Stdout, secret) {
			t.Errorf("descriptor %d leads out:\n%s", n, r.Stdout)
		}
	}
}
