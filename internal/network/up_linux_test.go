package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// upChild marks a process that does nothing but [Up], in a user namespace.
const upChild = "CAISSON_TEST_UP"

func TestMain(m *testing.M) {
	if os.Getenv(upChild) != "" {
		runtime.LockOSThread()
		if _, err := Up(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inside runs the function on a thread in a new network namespace, which is gone afterwards.
func inside(t testing.TB, f func(t testing.TB)) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			f(t)
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatalf("make a network namespace (are you root?): %v", err)
	}
}

// up is Up for a test.
func up(t testing.TB) *os.File {
	link, err := Up()
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	t.Cleanup(func() { link.Close() })
	return link
}

func TestAContainerHasItsAddressAndBothLoopbacksAndNoOtherIPv6(t *testing.T) {
	inside(t, func(t testing.TB) {
		up(t)
		want := map[string]string{"lo": "127.0.0.1/8 ::1/128", "eth0": "10.0.2.100/24", "caisson": ""}
		devices, err := net.Interfaces()
		if err != nil {
			t.Error(err)
		}
		for _, d := range devices {
			expected, ours := want[d.Name]
			if !ours {
				continue // some kernels have devices of their own in every namespace
			}
			delete(want, d.Name)
			var words []string
			addrs, _ := d.Addrs()
			for _, a := range addrs {
				words = append(words, a.String())
			}
			if got := strings.Join(words, " "); got != expected || d.Flags&net.FlagUp == 0 {
				t.Errorf("%s has %q and flags %v", d.Name, got, d.Flags)
			}
		}
		if len(want) > 0 {
			t.Errorf("there is no %v", want)
		}
		conn, err := net.Dial("udp4", "198.51.100.1:9") // sends nothing
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if host, _, _ := net.SplitHostPort(conn.LocalAddr().String()); host != Container {
			t.Errorf("the way out is from %s", host)
		}
	})
}

func TestTheNetworkComesUpInAUserNamespace(t *testing.T) {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), upChild+"=1")
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}}
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET, UidMappings: ids, GidMappings: ids,
		Credential: &syscall.Credential{NoSetGroups: true}, Pdeathsig: syscall.SIGKILL,
	}
	if b, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, b)
	}
}

func TestWithoutTheRightsTheErrorSaysWhatFailed(t *testing.T) {
	var b batch
	b.up("bring up device 4711", 4711, 0)
	if err := b.do(); !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "bring up device 4711") {
		t.Error(err)
	}
}

func TestOnlyTheLoopbackComesUpWithoutANetwork(t *testing.T) {
	inside(t, func(t testing.TB) {
		if err := Loopback(); err != nil {
			t.Error(err)
			return
		}
		for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
			l, err := net.Listen("tcp", at)
			if err != nil {
				t.Error(err)
				continue
			}
			l.Close()
		}
		if _, err := net.Dial("udp", "198.51.100.1:9"); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("to the outside: %v", err)
		}
	})
}

func TestAnOfflineContainerSaysNothingOnTheLink(t *testing.T) {
	inside(t, func(t testing.TB) {
		link := up(t)
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			t.Error(err)
			return
		}
		// What programs do that look for others in the local network: reports of groups, and datagrams to them.
		group, err := net.ListenMulticastUDP("udp4", eth0, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
		if err != nil {
			t.Error(err)
			return
		}
		defer group.Close()
		for _, to := range []string{"224.0.0.251:5353", "255.255.255.255:67", "[ff02::fb%eth0]:5353"} {
			if conn, err := net.Dial("udp", to); err == nil {
				_, _ = conn.Write([]byte("anybody there?"))
				conn.Close()
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := Wait(ctx, link); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the link can be read: %v", err)
		}
		conn, err := net.Dial("udp", "198.51.100.1:9")
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("x"))
		ctx, cancel = context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := Wait(ctx, link); err != nil {
			t.Errorf("after the first packet: %v", err)
		}
	})
}

// The time of a private network is the difference of the two.
func BenchmarkUp(b *testing.B) {
	inside(b, func(t testing.TB) {
		for b.Loop() {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				b.Error(err)
			}
			link, err := Up()
			if err != nil {
				b.Error(err)
				return
			}
			link.Close()
		}
	})
}

func BenchmarkNamespaceAlone(b *testing.B) {
	inside(b, func(t testing.TB) {
		for b.Loop() {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				b.Error(err)
			}
		}
	})
}
