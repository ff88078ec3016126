package security

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"caisson/test/harness"
)

// watch looks for a value in the command lines and environments of all processes, again and again, until stop is called,
// which returns where it was.
func watch(t testing.TB, value string) (stop func() []string) {
	t.Helper()
	found := map[string]bool{}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			look(found, value)
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	stop = sync.OnceValue(func() (all []string) {
		close(ended)
		wg.Wait()
		for where := range found {
			all = append(all, where)
		}
		return all
	})
	t.Cleanup(func() { stop() })
	return stop
}

func look(found map[string]bool, value string) {
	entries, _ := os.ReadDir("/proc") // it was read before
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		for _, file := range []string{"cmdline", "environ"} {
			if b, err := os.ReadFile(filepath.Join("/proc", e.Name(), file)); err == nil && bytes.Contains(b, []byte(value)) {
				line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // for the message
				found[file+" of "+strings.ReplaceAll(string(line), "\x00", " ")] = true
			}
		}
	}
}

// nowhere checks that a value is in no file below these folders.
func nowhere(t testing.TB, when, value string, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		grep := exec.Command("grep", "-rlF", "--devices=skip", "-f", "/dev/stdin", dir) // not in its command line either
		grep.Stdin = strings.NewReader(value)
		out, err := grep.Output()
		if len(out) > 0 {
			t.Errorf("%s the value is in these files:\n%s", when, out)
		} else if code := err.(*exec.ExitError).ExitCode(); code != 1 && when == "afterwards" { // meanwhile files come and go
			t.Fatalf("search %s: %v", dir, err)
		}
	}
}

func TestASecretIsUsableAndNowhereElse(t *testing.T) {
	value := "value-" + rand.Text()
	sum := fmt.Sprintf("%x\n", sha256.Sum256([]byte(value)))
	hash := "sha256sum < /run/secrets/s | cut -d' ' -f1"
	tr := harness.NewTree(t, map[string]string{
		"ci/docker/Dockerfile.build.tiny": "FROM tiny\nARG USER_ID\nRUN --mount=type=secret,id=s sleep 1; " + hash + " > /sum; stat -c '%a %u' /run/secrets/s >> /sum\n",
	}).Owned(t)
	tr.Store = harness.ColdStore(t)
	dir := harness.TempDir(t)
	harness.Write(t, dir, map[string]string{"s": value})
	must(t, os.Chmod(filepath.Join(dir, "s"), 0o600))
	harness.Give(t, harness.Tester, dir)
	stop := watch(t, value)

	done := make(chan harness.Result, 1)
	go func() {
		done <- tr.Command("--secret", "id=s,src="+filepath.Join(dir, "s"), "-p", "tiny", "sh", "-c",
			hash+`; stat -c '%a %u:%g' /run/secrets/s; grep ' /run/secrets' /proc/self/mounts | cut -d' ' -f3; (echo x > /run/secrets/s) 2>/dev/null && echo written; sleep 3; cat /sum`).Run(t)
	}()
	if harness.Eventually(soon, func() bool { return len(layers(tr.Store)) > 0 }) {
		time.Sleep(time.Second) // the run is in its sleep
		nowhere(t, "meanwhile", value, tr.Store)
	}
	r := <-done
	equal(t, "what the run and the RUN step saw", r.Stdout, sum+"400 54321:54322\ntmpfs\n"+sum+"400 0\n")
	if where := stop(); len(where) > 0 {
		t.Errorf("the value was in %q", where)
	}
	nowhere(t, "afterwards", value, tr.Store, tr.Root, tr.Cache)
	if strings.Contains(r.Stdout+r.Stderr, value) {
		t.Error("the value was printed")
	}
	equal(t, "a run without the secret", sh(t, tr, "ls -A /run/secrets 2>/dev/null; cat /sum"), sum+"400 0\n")
}

// layers are the writable layers of live runs.
func layers(store string) []string {
	all, _ := filepath.Glob(filepath.Join(store, "fs", "*", "upper")) // a fixed pattern
	return all
}

func TestASecretOfTheEnvironmentReachesNoOtherProcess(t *testing.T) {
	value := "value-" + rand.Text()
	tr := tiny(t, "FROM tiny\nRUN --mount=type=secret,id=s sleep 1; test -s /run/secrets/s; : "+rand.Text()+"\n").With("THE_SECRET=" + value)
	stop := watch(t, "="+value)
	got := tr.Must(t, "--secret", "id=s,env=THE_SECRET", "-p", "tiny", "sh", "-c", "sleep 1; cat /run/secrets/s; env | grep -c THE_SECRET; true").Stdout
	equal(t, "what the run saw", got, value+"0\n")
	for _, where := range stop() { // the caller put it there
		if !strings.Contains(where, "environ of "+harness.Caisson(t)) {
			t.Errorf("the value was in the %s", where)
		}
	}
}
