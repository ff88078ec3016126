// Package machine boots emulated machines for tests: an amd64 PC of QEMU with Debian's cloud kernel of bookworm-backports,
// cgroup v2 alone, no network and a disk that forgets all when the machine goes. It needs no right but what making the disk
// takes (root) and uses /dev/kvm where that can be opened. Boot starts one, Run and Put use it, and the end of the test ends it.
package machine

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

const (
	// bootLimit is how long a machine may take until it answers; an emulated one takes 10 seconds on a quiet host.
	bootLimit = 3 * time.Minute
	// offLimit is how long it may take to switch itself off.
	offLimit = 30 * time.Second
)

// Options of a machine; 0 is the default.
type Options struct {
	MemoryMiB int // 2048
	CPUs      int // 1: with more, the kernel panics in QEMU 7.2 when it patches its own code
}

// Machine is one that runs.
type Machine struct {
	console harness.Buffer // what kernel and agent print
	calls   *calls
	qemu    *exec.Cmd
	gone    chan struct{} // closed when QEMU has ended
}

// Boot starts a machine and returns when it runs commands. At the test's end it is switched off, and killed if it does not
// follow within offLimit, which is an error of the test.
func Boot(t testing.TB, o Options) *Machine {
	t.Helper()
	image := disk(t)
	dir := t.TempDir()
	initramfs := filepath.Join(dir, "initramfs")
	buildInitramfs(t, initramfs)
	mine, its, err := connection()
	if err != nil {
		t.Fatalf("make a connection to the machine: %v", err)
	}
	defer its.Close()
	m := &Machine{gone: make(chan struct{})}
	m.qemu = exec.Command("qemu-system-x86_64", arguments(o, image, initramfs)...)
	m.qemu.ExtraFiles = []*os.File{its} // descriptor 3
	m.qemu.Env = append(os.Environ(), "TMPDIR="+dir)
	m.qemu.Stdout, m.qemu.Stderr = &m.console, &m.console
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.start(); err != nil {
		mine.Close()
		t.Fatalf("start QEMU (package qemu-system-x86): %v", err)
	}
	start := time.Now()
	m.calls = newCalls(mine)
	t.Cleanup(func() { m.stop(t) })
	if _, err := m.calls.run(Command{Args: []string{"true"}}, bootLimit); err != nil {
		t.Fatalf("the machine does not answer: %v\nconsole:\n%s", err, m.console.String())
	}
	t.Logf("the machine answered after %s", time.Since(start).Round(100*time.Millisecond))
	return m
}

// connection makes both ends of the machine's port.
func connection() (mine net.Conn, its *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	its = os.NewFile(uintptr(fds[1]), "machine")
	f := os.NewFile(uintptr(fds[0]), "test")
	defer f.Close()
	if mine, err = net.FileConn(f); err != nil {
		its.Close()
	}
	return mine, its, err
}

// arguments of QEMU. The disk is an NVMe one, since the kernel has that driver built in and needs no module to start.
func arguments(o Options, im image, initramfs string) []string {
	if o.MemoryMiB == 0 {
		o.MemoryMiB = 2048
	}
	if o.CPUs == 0 {
		o.CPUs = 1
	}
	// Without cmpxchg16b: QEMU 7.2 emulates it wrongly, and the kernel dies of it within a second.
	acceleration := []string{"-accel", "tcg,thread=multi", "-cpu", "max,cx16=off"}
	if kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err == nil {
		kvm.Close()
		acceleration = []string{"-accel", "kvm", "-cpu", "host"}
	}
	return append(acceleration, "-M", "q35", "-smp", fmt.Sprint(o.CPUs), "-m", fmt.Sprint(o.MemoryMiB),
		"-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
		"-kernel", im.kernel(), "-initrd", initramfs,
		"-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-drive", "id=disk,if=none,format=raw,snapshot=on,cache=unsafe,file="+strings.ReplaceAll(im.disk(), ",", ",,"),
		"-device", "nvme,drive=disk,serial=disk",
		"-chardev", "socket,id=agent,fd=3",
		"-device", "virtio-serial-pci", "-device", "virtserialport,nr=1,chardev=agent")
}

// start starts QEMU from a thread that lives as long as it: the kernel kills it when that thread ends, so it ends with the
// test whatever becomes of that.
func (m *Machine) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.qemu.Start()
		started <- err
		if err == nil {
			_ = m.qemu.Wait()
		}
		close(m.gone)
	}()
	return <-started
}

// stop switches the machine off by closing the connection.
func (m *Machine) stop(t testing.TB) {
	t.Helper()
	m.calls.close()
	select {
	case <-m.gone:
	case <-time.After(offLimit):
		t.Errorf("the machine did not switch itself off within %s\nconsole:\n%s", offLimit, m.console.String())
		_ = m.qemu.Process.Kill()
		<-m.gone
	}
}
