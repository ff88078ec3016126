package network

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"caisson/test/harness"
)

func TestThisMachinesNetworkIsNotChanged(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN nslookup host.caisson.internal\n"})
	before := settings(t)
	run := start(t, tr, []string{"--publish", "0:8080"}, "sh", "-c", serve("/work/demo", 8080)+"; nslookup host.caisson.internal; echo ready; "+until("end"))
	run.prints("ready")
	mustGet(t, "http://"+run.published(8080)+"/ci/docker/Dockerfile.build.tiny")
	unchanged(t, "during a run", before)
	tr.Write(t, map[string]string{"build/end": ""})
	if code := run.code(); code != 0 {
		t.Errorf("status %d\n%s", code, run.errs.String())
	}
	tr.Must(t, "-p", "steps", "--no-cache", "-b")
	unchanged(t, "after a run and a build", before)
}

func unchanged(t *testing.T, when string, before map[string]string) {
	t.Helper()
	now := settings(t)
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name] != before[name] {
			t.Errorf("%s, %s was %q and is %q", when, name, before[name], now[name])
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok {
			t.Errorf("%s, there is no %s any more", when, name)
		}
	}
}

// settings are devices, addresses, routes, the tables of packet filters and the kernel's settings of the network.
func settings(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, args := range [][]string{
		{"ip", "-o", "link"}, {"ip", "-o", "address"}, {"ip", "route", "show", "table", "all"}, {"ip", "rule"}, {"ip", "netns"},
	} {
		out, err := exec.Command(args[0], args[1:]...).Output()
		if err != nil {
			t.Fatalf("%q (package iproute2): %v", args, err)
		}
		all[args[0]+" "+args[len(args)-1]] = string(out)
	}
	for _, file := range []string{"/proc/net/ip_tables_names", "/proc/net/ip6_tables_names", "/proc/net/route"} {
		text, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) { // a kernel without that filter
			t.Fatal(err)
		}
		all[file] = string(text)
	}
	err := filepath.WalkDir("/proc/sys/net", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || counts[path] {
			return err
		}
		if text, err := os.ReadFile(path); err == nil { // some can be written only
			all[path] = string(text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// counts are files of the settings that the kernel changes by itself.
var counts = map[string]bool{"/proc/sys/net/netfilter/nf_conntrack_count": true}
