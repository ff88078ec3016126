package network

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"caisson/test/harness"
)

const (
	killedRuns  = 20
	killedSteps = 8 // each has a builder of its own, which takes longer
	// within is how soon all has to be gone after the client: a second, and as much again for what runs beside the test.
	within = 2 * time.Second
)

func TestNothingOfTheNetworkOutlivesAKilledRun(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "-b")
	var slowest time.Duration
	for i := range killedRuns {
		run := start(t, tr, []string{"--publish", "0:8080"}, "sh", "-c", serve("/work/demo", 8080)+"; nslookup host.caisson.internal; echo ready; sleep 1000")
		run.prints("ready")
		at := run.published(8080)
		mustGet(t, "http://"+at+"/ci/docker/Dockerfile.build.tiny")
		stacks := run.stacks()
		if len(stacks) != 1 {
			t.Fatalf("%d network stacks", len(stacks))
		}
		namespaces := namespacesOf(t, run)
		if len(namespaces) == 0 {
			t.Fatal("the run has no network namespace of its own")
		}
		run.kill()
		slowest = max(slowest, mustGo(t, run, namespaces))
		if c, err := net.Dial("tcp", at); err == nil {
			c.Close()
			t.Errorf("kill %d: %s is still open", i, at)
		}
	}
	t.Logf("%d kills: all gone after %s at most", killedRuns, slowest.Round(time.Millisecond))
}

func TestNothingOfTheNetworkOutlivesAKilledDownloadOfAStep(t *testing.T) {
	server := newServer(t)
	tr := harness.NewTree(t, nil).With("http_proxy=http://127.0.0.1:" + server.port)
	var slowest time.Duration
	for i := range killedSteps {
		tr.Write(t, map[string]string{"ci/docker/Dockerfile.build.load": fmt.Sprintf(
			"FROM tiny\nRUN : %d && wget -q -O /dev/null http://elsewhere.invalid%s\n", i, endless)})
		build := startCommand(t, tr, "-p", "load", "--no-cache", "-b")
		if !harness.Eventually(time.Minute, func() bool { return len(server.asked()) > i || build.ended() }) || build.ended() {
			t.Fatalf("the step downloads nothing\n%s", build.errs.String())
		}
		namespaces := namespacesOf(t, build)
		build.kill()
		begin := time.Now()
		slowest = max(slowest, mustGo(t, build, namespaces))
		select {
		case <-server.lost:
		case <-time.After(within):
			t.Errorf("kill %d: the download goes on after %s", i, time.Since(begin))
		}
	}
	t.Logf("%d kills: all gone after %s at most", killedSteps, slowest.Round(time.Millisecond))
}

// mustGo waits until nothing is left of a client that has just died, and returns how long that took.
func mustGo(t testing.TB, c *client, namespaces map[string]bool) time.Duration {
	t.Helper()
	begin := time.Now()
	var left []string
	if !harness.Eventually(within, func() bool {
		left = harness.Processes(t, c.mark)
		for pid, namespace := range networks(t) {
			if namespaces[namespace] {
				left = append(left, pid+" in "+namespace)
			}
		}
		return len(left) == 0
	}) {
		t.Errorf("left after %s: processes %q", within, left)
	}
	return time.Since(begin)
}

// namespacesOf are the network namespaces of a client's processes, but for this machine's own.
func namespacesOf(t testing.TB, c *client) map[string]bool {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	all, found := networks(t), map[string]bool{}
	for _, pid := range harness.Processes(t, c.mark) {
		if namespace := all[pid]; namespace != "" && namespace != own {
			found[namespace] = true
		}
	}
	return found
}

// networks are the network namespaces of all processes, by their ids.
func networks(t testing.TB) map[string]string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, link := range links {
		if namespace, err := os.Readlink(link); err == nil { // else the process has ended
			all[filepath.Base(filepath.Dir(filepath.Dir(link)))] = namespace
		}
	}
	return all
}
