package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/emulator"
	"caisson/internal/network"
	"caisson/internal/sandbox"
)

// The checks in this file try what they tell of, in a sandbox.

// probeTask is the body of the sandbox task "probe".
type probeTask struct {
	Overlay   *sandbox.Overlay // mount it
	Network   bool             // set up a private network
	Emulators bool             // mount an own table of emulators
}

func init() { sandbox.Register("probe", superviseProbe) }

func superviseProbe(s *sandbox.Supervisor) (int, error) {
	var t probeTask
	if err := s.Body(&t); err != nil {
		return 0, err
	}
	switch {
	case t.Overlay != nil:
		if err := t.Overlay.Mount(); err != nil {
			return 0, err
		}
		return 0, exercise(t.Overlay.Target)
	case t.Network:
		_, err := network.Up()
		return 0, err
	case t.Emulators:
		return 0, emulator.Register(binfmtDir, nil)
	}
	return 0, nil
}

// checkRights looks whether this user can have sandboxes at all: root, or with subordinate ids and user namespaces.
func checkRights() Check {
	if !rootless() {
		if err := mayMakeSandboxes(); err != nil {
			return Check{Name: "rights", Found: err.Error(), Next: "docker run --privileged …"}
		}
		return Check{Name: "rights", OK: true, Found: "root; runs work as the caller"}
	}
	c := Check{Name: "rights", Found: fmt.Sprintf("uid %d, with subordinate ids and user namespaces", os.Geteuid())}
	u, err := users()
	if err == nil {
		err = sandboxed(sandbox.Options{Users: u}, "probe", probeTask{})
	}
	var ids *sandbox.SubordinateError
	switch {
	case err == nil:
		c.OK = true
	case errors.As(err, &ids):
		c.Found, c.Next = ids.Reason, ids.Next
	default:
		c.Found, c.Next = firstLine(err), userNamespaceHint(readSysctl)
	}
	return c
}

// userNamespaceHint is what lets ordinary users make user namespaces on this machine, by the setting that forbids it.
func userNamespaceHint(setting func(name string) string) string {
	switch {
	case setting("user/max_user_namespaces") == "0":
		return "sudo sysctl -w user.max_user_namespaces=15000"
	case setting("kernel/unprivileged_userns_clone") == "0":
		return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
		return appArmorHint()
	}
	return "inside a container: give it --privileged, or --security-opt seccomp=unconfined --security-opt systempaths=unconfined"
}

// appArmorHint lifts the restriction of Ubuntu 24.04 for this one program, wherever it lies; packaging/apparmor has the
// profile for the usual places.
func appArmorHint() string {
	path, err := os.Executable()
	if err != nil {
		path = "/usr/local/bin/caisson"
	}
	return fmt.Sprintf(`echo 'abi <abi/4.0>, profile caisson "%s" flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/caisson && sudo apparmor_parser -r /etc/apparmor.d/caisson`, path)
}

func readSysctl(name string) string {
	b, _ := os.ReadFile(filepath.Join("/proc/sys", name)) // there is none: it forbids nothing
	return strings.TrimSpace(string(b))
}

func checkSandbox(storeDir string) Check {
	c := Check{Name: "sandbox", Next: "inside a container: give it --privileged"}
	store, err := OpenStore(storeDir)
	if err == nil {
		_ = os.Remove(store.path(formFile)) // look anew
		var f form
		if f, err = store.form(); err == nil && !f.Upper {
			return Check{Name: "sandbox", Optional: true, Found: "namespaces, but " + f.words(store), Next: "in a container: give it a volume for the store"}
		}
	}
	if err != nil {
		c.Found = err.Error()
		return c
	}
	c.OK, c.Found = true, "namespaces and an overlay on the store's disk"
	return c
}

func probe(t probeTask, o sandbox.Options) (err error) {
	if o.Users == nil {
		if o.Users, err = users(); err != nil {
			return err
		}
	}
	return sandboxed(o, "probe", t)
}

func checkNetwork() Check {
	err := probe(probeTask{Network: true}, sandbox.Options{Network: true})
	if err == nil {
		return Check{Name: "network", OK: true, Optional: true, Found: "private networks, with an own stack that starts when it is needed"}
	}
	return Check{Name: "network", Optional: true, Found: firstLine(err), Next: "without it, runs have their own loopback only, or this machine's network with --network host"}
}

func checkEmulators(s Store) Check {
	c := Check{Name: "emulators", Optional: true, Next: "sudo apt-get install qemu-user-static"}
	var names []string
	for _, e := range s.allEmulators() {
		names = append(names, e.Arch)
	}
	if len(names) == 0 {
		c.Found = "no qemu-ARCH-static is installed, so no foreign processor can be emulated"
		return c
	}
	var o sandbox.Options
	var err error
	if !rootless() {
		o.Users, err = sandbox.Identity()
	}
	if err == nil {
		err = probe(probeTask{Emulators: true}, o)
	}
	if err != nil {
		c.Found, c.Next = firstLine(err), "Linux 6.7 or newer has a table of emulators for each user namespace; on an older one: sudo apt-get install binfmt-support"
		return c
	}
	c.OK, c.Found = true, "for "+strings.Join(names, ", ")+"; this machine's own table is not touched"
	return c
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
