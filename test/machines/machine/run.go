package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"caisson/test/harness"
)

// Limit is the longest that one command in a machine may take: an emulated processor is some ten times slower.
const Limit = 4 * time.Minute

// Run runs a command to its end; the test ends when it cannot be started or takes longer than Limit. Several may run at once.
func (m *Machine) Run(t testing.TB, c Command) harness.Result {
	t.Helper()
	r, err := m.calls.run(c, Limit)
	if err != nil {
		t.Fatalf("run %q in the machine: %v\nconsole:\n%s", c.Args, err, m.console.String())
	}
	return r
}

// Must is Run for a command that has to succeed.
func (m *Machine) Must(t testing.TB, c Command) harness.Result {
	t.Helper()
	r := m.Run(t, c)
	if r.Code != 0 {
		t.Fatalf("%q in the machine: status %d\nstdout: %s\nstderr: %s", c.Args, r.Code, r.Stdout, r.Stderr)
	}
	return r
}

// Shell is a command that sh runs, and that ends at the first that fails.
func Shell(script string) Command { return Command{Args: []string{"sh", "-euc", script}} }

// Put copies a file with its mode, or a folder with all that is in it and its owners, into the machine. The folder that it
// goes to is made.
func (m *Machine) Put(t testing.TB, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		tar, err := exec.Command("tar", "-C", from, "-cf", "-", ".").Output()
		if err != nil {
			t.Fatalf("pack %s: %v", from, err)
		}
		m.Must(t, Command{Args: []string{"sh", "-euc", `mkdir -p "$0"; tar -C "$0" -xpf -`, to}, Stdin: tar})
		return
	}
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	script := `mkdir -p "$(dirname "$0")"; cat >"$0"; chmod "$1" "$0"`
	m.Must(t, Command{Args: []string{"sh", "-euc", script, to, fmt.Sprintf("%o", info.Mode().Perm())}, Stdin: content})
}

// Caisson is where PutCaisson puts the program under test.
const Caisson = "/usr/local/bin/caisson"

// PutCaisson puts the program under test into the machine, in its PATH.
func (m *Machine) PutCaisson(t testing.TB) {
	t.Helper()
	m.Put(t, harness.Caisson(t), Caisson)
}

// PutTiny puts the root file system of the small base into the machine and returns where it is.
func (m *Machine) PutTiny(t testing.TB) string {
	t.Helper()
	m.Put(t, harness.TinyRoot(t), "/srv/tiny")
	return "/srv/tiny"
}

// PutProject makes a project as harness.Project does, in the machine's /srv, and returns its root there.
func (m *Machine) PutProject(t testing.TB, name string, files map[string]string) string {
	t.Helper()
	root := filepath.Join("/srv", name)
	m.Put(t, harness.Project(t, name, files), root)
	return root
}
