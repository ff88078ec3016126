package network

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

func TestEightRunsListenOnThePortOfTheSameNumberAtOnce(t *testing.T) {
	data := make([]byte, 4<<20)
	if _, err := rand.NewChaCha8([32]byte{}).Read(data); err != nil {
		t.Fatal(err)
	}
	tr := harness.NewTree(t, map[string]string{"data": string(data)})
	tr.Must(t, "-p", "tiny", "-b")
	var runs []*client
	for i := range 8 {
		runs = append(runs, start(t, tr, []string{"--publish", "0:8080"}, "sh", "-c", fmt.Sprintf(
			"mkdir /tmp/www; echo %d >/tmp/www/number; cp /work/demo/data /tmp/www/; %s; echo ready; %s", i, serve("/tmp/www", 8080), until("end"))))
	}
	at := make([]string, len(runs))
	for i, run := range runs {
		run.prints("ready")
		at[i] = run.published(8080)
	}
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			if number, err := get("http://" + at[i] + "/number"); err != nil || number != fmt.Sprintln(i) {
				t.Errorf("run %d answers %q, %v", i, number, err)
			}
			if got, err := get("http://" + at[i] + "/data"); err != nil || sha256.Sum256([]byte(got)) != sha256.Sum256(data) {
				t.Errorf("run %d: %d bytes that are not the %d of the file, %v", i, len(got), len(data), err)
			}
		})
	}
	all.Wait()
	tr.Write(t, map[string]string{"build/end": ""})
	for i, run := range runs {
		if code := run.code(); code != 0 {
			t.Errorf("run %d: status %d\n%s", i, code, run.errs.String())
		}
		if _, err := net.Dial("tcp", at[i]); err == nil {
			t.Errorf("%s is open after the run's end", at[i])
		}
	}
}

func TestAPublishedPortThatIsInUseIsFoundBeforeTheCommandStarts(t *testing.T) {
	tr := harness.NewTree(t, nil)
	l := listen(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := tr.Command("-p", "tiny", "--publish", port+":8080", "touch", "/work/build/started").Run(t)
	if r.Code != 125 {
		t.Errorf("status %d", r.Code)
	}
	contains(t, r.Stderr, "port "+port+" of 127.0.0.1 is in use", "0 for any free port")
	if _, err := os.Stat(tr.File("build/started")); err == nil {
		t.Error("the command was started")
	}
}

func listen(t testing.TB, at string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// freePort is a port that nobody listens on now.
func freePort(t testing.TB) int {
	t.Helper()
	l := listen(t, "0.0.0.0:0")
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestPublishedPortsAreOpenOnTheLoopbackUnlessAnAddressIsGiven(t *testing.T) {
	tr := harness.NewTree(t, nil)
	outer := outerAddress(t)
	local, everywhere := freePort(t), freePort(t)
	run := start(t, tr, []string{
		"--publish", fmt.Sprintf("%d:8080", local), "--publish", fmt.Sprintf("0.0.0.0:%d:8081", everywhere), "--publish", "[::1]:0:8081", "--publish=127.0.0.2:0:8080",
	}, "sh", "-c", "mkdir /tmp/a /tmp/b; echo a >/tmp/a/x; echo b >/tmp/b/x; "+
		serve("/tmp/a", 8080)+"; "+serve("/tmp/b", 8081)+"; echo ready; "+until("end"))
	run.prints("ready")
	for at, want := range map[string]string{
		fmt.Sprintf("127.0.0.1:%d", local):      "a\n",
		fmt.Sprintf("127.0.0.1:%d", everywhere): "b\n",
		fmt.Sprintf("%s:%d", outer, everywhere): "b\n",
		run.published(8081):                     "b\n",
		run.published(8080):                     "a\n",
	} {
		equal(t, at, mustGet(t, "http://"+at+"/x"), want)
	}
	if at := run.published(8081); !strings.HasPrefix(at, "[::1]:") {
		t.Errorf("the port on [::1] is said to be %s", at)
	}
	if at := run.published(8080); !strings.HasPrefix(at, "127.0.0.2:") {
		t.Errorf("the port on 127.0.0.2 is said to be %s", at)
	}
	if c, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", outer, local), 5*time.Second); err == nil {
		c.Close()
		t.Errorf("%s leads to the port that was published without an address", outer)
	}
	tr.Write(t, map[string]string{"build/end": ""})
	if code := run.code(); code != 0 {
		t.Errorf("status %d", code)
	}
}

// outerAddress is an address of this machine that others see.
func outerAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Fatal("this machine has no address besides its loopback")
	return ""
}

func TestAPortThatNobodyListensOnInsideIsClosed(t *testing.T) {
	tr := harness.NewTree(t, nil)
	run := start(t, tr, []string{"--publish", "0:8080"}, "sh", "-c", "echo ready; "+until("end"))
	run.prints("ready")
	begin := time.Now()
	if text, err := get("http://" + run.published(8080) + "/"); err == nil {
		t.Errorf("an answer: %q", text)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %s to say so", took)
	}
	harness.Signal(t, run.cmd, syscall.SIGTERM)
	if code := run.code(); code != 128+15 {
		t.Errorf("status %d", code)
	}
}
