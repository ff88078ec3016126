package input

import (
	"os/exec"
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

func TestAnOrdinaryUserWithoutSubordinateIdsIsToldHowToGetThem(t *testing.T) {
	harness.UserOnly(t, "root needs none")
	unknown := harness.User{Name: "unknown", UID: 54399, GID: 54399} // as `docker run -u` makes one
	for _, c := range []struct {
		who          harness.User
		env          []string
		reason, next string
	}{
		{harness.Newcomer, nil, "user newcomer has 0 subordinate ids in /etc/subuid",
			"sudo usermod --add-subuids 524288-589823 --add-subgids 524288-589823 newcomer"},
		{unknown, []string{"USER=", "LOGNAME="}, "uid 54399", "/etc/passwd"},
	} {
		t.Run(c.who.Name, func(t *testing.T) {
			dir := harness.TempDir(t)
			tr := newTree(t, nil).with(append(c.env, "CCACHE_DIR="+filepath.Join(dir, "ccache"))...)
			tr.Store = filepath.Join(dir, "store")
			harness.Give(t, c.who, tr.Root, dir)
			command := func(args ...string) harness.Command {
				cmd := tr.Command(args...)
				cmd.As = c.who
				return cmd
			}
			refusal(t, command("-p", "tiny").Run(t), c.reason, c.next)
			r := command("doctor").Run(t)
			if r.Code != 125 {
				t.Errorf("doctor: status %d, want 125", r.Code)
			}
			says(t, r.Stdout, "NO  rights", c.reason, c.next, runsAs(c.who), "engine: none")
			says(t, r.Stderr, "caisson: this machine cannot run caisson yet")
			if got := command("-l").Must(t).Stdout; got != "tiny\n" {
				t.Errorf("the list of platforms is %q", got)
			}
		})
	}
}

func TestWithoutTheProgramThatMapsIdsItsPackageIsNamed(t *testing.T) {
	harness.UserOnly(t, "root maps its ids itself")
	for _, c := range []struct{ missing, present string }{{"newuidmap", "newgidmap"}, {"newgidmap", "newuidmap"}} {
		t.Run(c.missing, func(t *testing.T) {
			tr := newTree(t, nil).with("PATH=" + folderOf(t, c.present))
			tr.refused(t, []string{"-p", "tiny", "true"}, c.missing+" is not installed", "sudo apt-get install uidmap")
			r := tr.Command("doctor").Run(t)
			if r.Code != 125 {
				t.Errorf("doctor: status %d, want 125", r.Code)
			}
			says(t, r.Stdout, c.missing+" is not installed", "sudo apt-get install uidmap", "engine: none")
		})
	}
}

// folderOf makes a folder that has only these programs of the machine; who has them not needs them not.
func folderOf(t *testing.T, programs ...string) string {
	t.Helper()
	dir := harness.TempDir(t)
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			program(t, "ln", "-s", path, filepath.Join(dir, name))
		}
	}
	return dir
}
