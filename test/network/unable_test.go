package network

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"caisson/test/harness"

	"golang.org/x/sys/unix"
)

func TestARunGoesOnWithItsLoopbackWhereThereCanBeNoPrivateNetwork(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "-b")
	cmd := tr.Command("-p", "tiny", "sh", "-c", serve("/work/demo", 8080)+
		"; wget -q -O - http://127.0.0.1:8080/ci/docker/Dockerfile.build.tiny").Cmd(context.Background(), t)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := startWithoutPackets(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	equal(t, "over its loopback", out.String(), "FROM tiny\n")
	equal(t, "what is said", errs.String(),
		"caisson: tiny: private network: open a packet socket: operation not permitted; the run has its own loopback only\n")
}

// startWithoutPackets starts a command that gets no packet socket, as under a security policy that knows no such thing.
// Format: seccomp(2), bpf(4).
func startWithoutPackets(cmd *exec.Cmd) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // seccomp_data.args[0], its lower half
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_PACKET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompErrno | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: seccompAllow},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its filter
		if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
			started <- os.NewSyscallError("prctl(PR_SET_SECCOMP)", err)
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// Answers of a filter (linux/seccomp.h).
const (
	seccompAllow = 0x7fff0000
	seccompErrno = 0x00050000
)

func TestAMachineWithoutNetworkNamespacesSaysSo(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "-b")
	cmd := tr.Command("-p", "tiny", "touch", "/work/build/started").Cmd(context.Background(), t)
	script := `echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"` // in a user namespace, for that alone
	cmd.Args = append([]string{"unshare", "-r", "sh", "-ec", script, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/unshare"
	out, _ := cmd.CombinedOutput() // its status is looked at
	if code := cmd.ProcessState.ExitCode(); code != 125 {
		t.Errorf("status %d", code)
	}
	contains(t, string(out), "start sandbox: this machine allows no more namespaces; raise the limit")
	if strings.Contains(string(out), "free some space") {
		t.Errorf("it is taken for a full disk:\n%s", out)
	}
	if _, err := os.Stat(tr.File("build/started")); err == nil {
		t.Error("the command was started")
	}
}
