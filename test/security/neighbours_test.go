package security

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"caisson/test/harness"
)

// stranger is another user of the machine.
var stranger = harness.User{Name: "newcomer", UID: 54323, GID: 54323}

// asStranger runs a shell command as them.
func asStranger(t testing.TB, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", script, "sh"}, args...)...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(stranger.UID), Gid: uint32(stranger.GID)}}
	out, err := cmd.CombinedOutput()
	must(t, err)
	return string(out)
}

func TestAStoreIsClosedToOtherUsers(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\nRUN echo begun; sleep 5; : " + filepath.Base(harness.TempDir(t)) + t.TempDir() + "\n",
	})
	info, err := os.Stat(tr.Store)
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the store's mode is %o", info.Mode().Perm())
	}
	connect := `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); connect(S, pack_sockaddr_un($ARGV[0])) or print "$!\n"' `
	done := make(chan harness.Result, 1)
	go func() { done <- tr.Command("-p", "tiny", "true").Run(t) }() // a builder lives meanwhile
	socket := filepath.Join(tr.Store, "builder.sock")
	if !harness.Eventually(soon, func() bool {
		return exec.Command("sh", "-c", connect+socket+" | grep -q . && exit 1 || exit 0").Run() == nil
	}) {
		t.Fatal("no builder listens")
	}
	equal(t, "connecting to the builder", asStranger(t, connect+`"$1"`, socket), "Permission denied\n")
	for _, path := range []string{"", "records", "payload", "fs", "buildkit", "runs", "builder.log"} {
		said := asStranger(t, `ls "$1" 2>&1; true`, filepath.Join(tr.Store, path))
		contains(t, said, "ermission denied")
	}
	if r := <-done; r.Code != 0 {
		t.Errorf("the build failed:\n%s", r.Stderr)
	}
}

func TestAnotherUsersStoreCannotBeUsed(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "true")
	for _, args := range [][]string{{"ps", "-a"}, {"logs"}, {"clean", "--all"}, {"-C", tr.Root, "-p", "tiny", "true"}} {
		t.Run(args[0], func(t *testing.T) {
			c := harness.Command{As: stranger, Store: tr.Store, Args: args}
			said := through(t, c, reachableCopy(t))
			refused(t, said, "caisson: ")
			if said.Stdout != "" {
				t.Errorf("it printed %q", said.Stdout)
			}
		})
	}
}

// reachableCopy is the program where everybody can start it.
func reachableCopy(t testing.TB) string {
	t.Helper()
	path := filepath.Join(harness.TempDir(t), "caisson")
	out, err := exec.Command("cp", harness.Caisson(t), path).CombinedOutput()
	if err != nil {
		t.Fatalf("copy the program: %v\n%s", err, out)
	}
	return path
}

func TestThePayloadInTheStoreIsItsOwnersAlone(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "true")
	programs, err := filepath.Glob(filepath.Join(tr.Store, "payload", "*", "*"))
	must(t, err)
	if len(programs) < 2 {
		t.Fatalf("programs: %q", programs)
	}
	for _, path := range programs {
		info, err := os.Lstat(path)
		must(t, err)
		if st := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || info.Mode().Perm() != 0o555 || int(st.Uid) != harness.Runner().UID {
			t.Errorf("%s: %s of uid %d", path, info.Mode(), st.Uid)
		}
	}
	found := sh(t, tr, fmt.Sprintf("ls -d %s %s/payload 2>/dev/null; mount | grep %s/payload | grep -v /dev/caisson-init; true", tr.Store, tr.Store, tr.Store))
	equal(t, "what a run sees of the store", strings.TrimSpace(found), "")
}
