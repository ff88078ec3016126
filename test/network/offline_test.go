package network

import (
	"testing"
	"time"

	"caisson/test/harness"
)

func TestTheNetworkStackStartsWithTheFirstPacketAndEndsWithTheRun(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "-b")
	run := start(t, tr, nil, "sh", "-c", serve("/tmp", 8080)+"; echo ready; "+until("go")+"; nslookup host.caisson.internal; echo sent; "+until("end"))
	run.prints("ready")
	if harness.Eventually(time.Second, func() bool { return len(run.stacks()) > 0 }) {
		t.Error("a run that sends nothing has a network stack")
	}
	tr.Write(t, map[string]string{"build/go": ""})
	run.prints("sent")
	contains(t, run.out.String(), "10.0.2.2")
	if pids := run.stacks(); len(pids) != 1 {
		t.Errorf("%d network stacks after the first packet", len(pids))
	}
	tr.Write(t, map[string]string{"build/end": ""})
	if code := run.code(); code != 0 {
		t.Errorf("status %d\n%s", code, run.errs.String())
	}
	if pids := harness.Processes(t, run.mark); len(pids) > 0 {
		t.Errorf("processes after the end: %q", pids)
	}
}

func TestAPublishedPortStartsTheNetworkStackWithItsFirstConnection(t *testing.T) {
	tr := harness.NewTree(t, nil)
	tr.Must(t, "-p", "tiny", "-b")
	run := start(t, tr, []string{"--publish", "0:8080"}, "sh", "-c", serve("/work/demo", 8080)+"; echo ready; "+until("end"))
	run.prints("ready")
	if harness.Eventually(time.Second, func() bool { return len(run.stacks()) > 0 }) {
		t.Error("there is a network stack before the first connection")
	}
	contains(t, mustGet(t, "http://"+run.published(8080)+"/ci/docker/Dockerfile.build.tiny"), "FROM tiny")
	if pids := run.stacks(); len(pids) != 1 {
		t.Errorf("%d network stacks after the first connection", len(pids))
	}
	tr.Write(t, map[string]string{"build/end": ""})
	if code := run.code(); code != 0 {
		t.Errorf("status %d\n%s", code, run.errs.String())
	}
}
