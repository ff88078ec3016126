// Command guest is the first program of a machine for tests: it mounts what a Linux system has, with cgroup v2 alone, and
// then runs the commands that come in by a virtio port. The machine is switched off when the other side of the port closes.
// All of it that a machine needs is built into Debian's cloud kernel or loaded from the machine's own disk.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"caisson/test/machines/agent"

	"golang.org/x/sys/unix"
)

const (
	disk = "/dev/nvme0n1"
	port = "/dev/vport0p1"
	// deviceLimit is how long a device may take to appear.
	deviceLimit = 30 * time.Second
	agentWord   = "agent" // the argument that makes this program the agent
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == agentWord {
		if err := serve(); err != nil {
			fmt.Fprintln(os.Stderr, "agent:", err)
			os.Exit(1)
		}
		return
	}
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
	}
	unix.Sync()
	fmt.Fprintln(os.Stderr, "guest: power off:", unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF))
}

// start makes the system, and returns when the agent has ended.
func start() error {
	if err := os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"); err != nil {
		return err
	}
	if err := mountAll(early); err != nil {
		return err
	}
	if err := appears(disk); err != nil {
		return err
	}
	if err := switchRoot(); err != nil {
		return err
	}
	if err := mountAll(late); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("machine")); err != nil {
		return fmt.Errorf("set the host's name: %w", err)
	}
	for _, words := range [][]string{{"ip", "link", "set", "lo", "up"}, {"modprobe", "-a", "overlay", "tun", "veth", "loop"}} {
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%q: %w: %s", words, err, out)
		}
	}
	return reapUntilAgentEnds()
}

// reapUntilAgentEnds runs the agent as a child: this process takes in every orphan and must wait for them all, the agent
// waits for its own commands only.
func reapUntilAgentEnds() error {
	console, err := os.OpenFile("/dev/console", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	files := []*os.File{console, console, console}
	p, err := os.StartProcess("/proc/self/exe", []string{"guest", agentWord}, &os.ProcAttr{Files: files, Env: os.Environ()})
	if err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("wait: %w", err)
		}
		if pid == p.Pid {
			return nil
		}
	}
}

// serve is the agent.
func serve() error {
	if err := appears(port); err != nil {
		return err
	}
	conn, err := os.OpenFile(port, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := connected(conn); err != nil {
		return err
	}
	return agent.Serve(conn)
}

// connected waits until the port knows that its other side is open: until then it reads as ended.
func connected(port *os.File) error {
	for deadline := time.Now().Add(deviceLimit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		fds := []unix.PollFd{{Fd: int32(port.Fd()), Events: unix.POLLOUT}}
		if _, err := unix.Poll(fds, 1000); err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLOUT) == unix.POLLOUT {
			return nil
		}
	}
	return fmt.Errorf("nobody opened the other side of %s within %s", port.Name(), deviceLimit)
}

// appears waits for a device.
func appears(path string) error {
	for deadline := time.Now().Add(deviceLimit); ; time.Sleep(5 * time.Millisecond) {
		_, err := os.Stat(path)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s did not appear within %s: %w", path, deviceLimit, err)
		}
	}
}
