package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"caisson/internal/network"
	"caisson/internal/network/stack"

	"golang.org/x/sys/unix"
)

// BuildKit starts the machine's git for a Dockerfile's ADD of a repository. It would be in the machine's network, and
// with it the Dockerfile; so what BuildKit finds as git is this program, which starts git in a private network like that
// of a step.

// GitName is the name under which this program is git.
const GitName = "git"

// offerGit puts this program as git first into PATH, with the resolv.conf of private networks beside it, where the
// machine has git.
func offerGit(dir, resolv string) error {
	if _, err := exec.LookPath(GitName); err != nil {
		return nil // and BuildKit says so
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err = errors.Join(os.Symlink(self, filepath.Join(dir, GitName)), os.Symlink(resolv, filepath.Join(dir, "resolv.conf")))
	if err != nil {
		return fmt.Errorf("give git a private network: %w", err)
	}
	return os.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// Git is this program as git. The result is git's exit status.
func Git(args []string) (int, error) {
	shim, rest, _ := strings.Cut(os.Getenv("PATH"), ":")
	if err := os.Setenv("PATH", rest); err != nil {
		return 0, err
	}
	path, err := exec.LookPath(GitName)
	if err != nil {
		return 0, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	proxies, allowed := network.ProxyEnv(os.Environ())
	config := stackConfig(allowed)
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), proxies...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread with its namespaces is thrown away
		err = inPrivateNetwork(filepath.Join(shim, "resolv.conf"), func(link *os.File) error {
			go func() { // ends with this process
				if network.Wait(ctx, link) == nil {
					_ = stack.Serve(ctx, link, config, nil)
				}
			}()
			return cmd.Run()
		})
	})
	wg.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// inPrivateNetwork moves this thread into namespaces of its own, with a private network, and calls f there.
func inPrivateNetwork(resolv string, f func(link *os.File) error) error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make namespaces for git: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("detach mounts of git: %w", err)
	}
	if err := unix.Mount(resolv, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("give git its resolv.conf: %w", err)
	}
	link, err := network.Up()
	if err != nil {
		return err
	}
	defer link.Close()
	return f(link)
}
