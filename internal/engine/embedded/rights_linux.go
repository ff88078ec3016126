package embedded

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"caisson/internal/sandbox"

	"golang.org/x/sys/unix"
)

// users says in which user namespace this process's sandboxes live: none as root, else one of the caller's subordinate ids.
var users = sync.OnceValues(func() (*sandbox.Users, error) {
	if !rootless() {
		return nil, nil
	}
	return sandbox.Subordinate()
})

// rootless: the engine runs as an ordinary user. What its sandboxes write then belongs to subordinate ids, and can be
// removed only from inside such a sandbox.
func rootless() bool { return os.Geteuid() != 0 }

// errNoAdmin: root without the rights of one, as in a container of Docker's default profile.
var errNoAdmin = errors.New("root may not make namespaces here (CAP_SYS_ADMIN is missing); inside a container: start it with docker run --privileged")

// mayMakeSandboxes says what is missing, before anything is begun.
func mayMakeSandboxes() error {
	if rootless() {
		_, err := users()
		return err
	}
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		return err
	}
	if data[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return errNoAdmin
	}
	return nil
}

func init() { sandbox.Register("remove", superviseRemove) }

func superviseRemove(s *sandbox.Supervisor) (int, error) {
	var paths []string
	if err := s.Body(&paths); err != nil {
		return 0, err
	}
	return 0, removeAll(paths...)
}

func removeAll(paths ...string) (err error) {
	for _, p := range paths {
		err = errors.Join(err, os.RemoveAll(p))
	}
	return err
}

// removeTrees removes folders whatever sandbox wrote them.
func removeTrees(paths ...string) error {
	err := removeAll(paths...)
	if !rootless() || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	u, err := users()
	if err != nil {
		return err
	}
	return sandboxed(sandbox.Options{Users: u}, "remove", paths)
}

// sandboxed does a short task in a sandbox to its end. What it says is its error.
func sandboxed(o sandbox.Options, task string, body any) error {
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	o.Output = pw
	box, err := sandbox.Start(o, task, body)
	pw.Close()
	if err != nil {
		pr.Close()
		return err
	}
	said := readTail(pr)
	code, err := box.Wait()
	if err == nil && code != 0 {
		err = errors.New(said.String())
	}
	return err
}
