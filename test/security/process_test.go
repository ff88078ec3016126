package security

import (
	"context"
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

// start runs a command beside the test until it has printed something; the test ends it.
func start(t testing.TB, c harness.Command) (out *harness.Buffer, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
	cmd := c.Cmd(ctx, t)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, errs := &harness.Buffer{}, &harness.Buffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	must(t, cmd.Start())
	end = func() {
		cancel()
		_ = cmd.Wait()
	}
	t.Cleanup(end)
	if !harness.Eventually(soon, func() bool { return out.String() != "" }) {
		t.Fatalf("it does not begin:\n%s", errs)
	}
	return out, end
}

// inside tells what a container sees of what is not its own: the environment of others, their processes, more descriptors
// than its three, and whether the program of its PID 1 can be written.
const inside = `grep -l -a MARK-OF-THE-CALLER /proc/[0-9]*/environ 2>/dev/null
cat /proc/[0-9]*/cmdline | tr '\0' '\n' | grep NEIGHBOUR
ls /proc/self/fd | grep -v '^[0123]$'
ls -l /proc/self/fd/3 2>/dev/null | grep -v ' -> /proc/'
(: > /proc/1/exe) 2>/dev/null && [ -e /dev/caisson-init ] && echo the program of PID 1 can be written
(: > /dev/caisson-init) 2>/dev/null && [ -s /dev/caisson-init ] && echo caisson-init can be written
echo done
`

func TestOtherProcessesAndTheCallersEnvironmentAreInvisible(t *testing.T) {
	neighbour := "neighbour-" + rand.Text()
	other := harness.NewTree(t, nil)
	start(t, other.Command("-p", "tiny", "sh", "-c", "echo runs; sleep 600; : "+neighbour))
	for _, p := range places(t, harness.Tiny, "sh", strings.ReplaceAll(inside, "NEIGHBOUR", "[n]"+neighbour[1:])) {
		t.Run(p.name, func(t *testing.T) {
			p.tree = p.tree.With("SECRET_OF_THE_CALLER=MARK-OF-THE-CALLER")
			equal(t, "what can be seen", p.said(t, "sh"), "done\n")
		})
	}
}

func TestPID1OfARunHasNothingOfTheCallers(t *testing.T) {
	tr := harness.NewTree(t, nil).With("SECRET_OF_THE_CALLER=MARK-OF-THE-CALLER")
	if harness.Rootless() {
		equal(t, "the environment of PID 1", sh(t, tr, "cat /proc/1/environ 2>&1; true"), "cat: can't open '/proc/1/environ': Permission denied\n")
		return
	}
	for _, kv := range strings.Fields(sh(t, tr, `cat /proc/1/environ | tr '\0' '\n'`)) {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains([]string{"PATH", "HOME", "GOMAXPROCS"}, name) {
			t.Errorf("PID 1 has %s", kv)
		}
	}
}

// suid is a Dockerfile with a program by which anybody in the container becomes its root.
const suid = "FROM " + harness.Debian + "\nRUN cp /bin/bash /become && chmod 4755 /become\n"

func TestRootOfAnOrdinaryUsersContainerIsNobodyOutside(t *testing.T) {
	harness.UserOnly(t, "root of a container of root's is root")
	tr := tiny(t, suid)
	tr.Write(t, map[string]string{"of-root": "kept", "build/.keep": ""})
	must(t, os.Chown(tr.File("of-root"), 0, 0))
	got := sh(t, tr, `/become -p -c '
id -ru
echo x > /work/build/made; chmod 4755 /work/build/made
(echo x >> /work/demo/of-root) 2>/dev/null && echo a file of root can be written
chown 54321 /work/demo/of-root 2>/dev/null && echo a file of root can be given away
chmod 777 /work/demo/of-root 2>/dev/null && echo a file of root can be opened
mknod /work/build/disk b 7 0 2>/dev/null && echo a device can be made
true'`)
	equal(t, "what root of the container can do", got, "54321\n")
	var st unix.Stat_t
	must(t, unix.Lstat(tr.File("build/made"), &st))
	if st.Uid < 100000 {
		t.Errorf("what root of the container made belongs to uid %d, not to a subordinate one", st.Uid)
	}
	equal(t, "the file of root", tr.Read(t, "of-root"), "kept")
}
