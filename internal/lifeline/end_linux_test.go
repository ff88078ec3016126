package lifeline_test

import (
	"errors"
	"testing"
	"time"

	"caisson/internal/engine"
	"caisson/internal/lifeline"
)

const loop = "while :; do sleep 0.05; done"

func TestTerminate(t *testing.T) {
	const grace = 300 * time.Millisecond
	term, kill := engine.ExitStatus{Code: 143, Signal: 15}, engine.ExitStatus{Code: 137, Signal: 9}
	for _, tt := range []struct {
		name, script string // the script prints ready
		grace        time.Duration
		atLeast      time.Duration
		atMost       time.Duration
		want         engine.ExitStatus
		prints       string
	}{
		{"a command that waits ends at once", "echo ready; exec sleep 1000", 5 * time.Second, 0, time.Second, term, ""},
		{"children and grandchildren end with it", "sleep 1000 & (sleep 1000 & sleep 1000) & echo ready; wait", 5 * time.Second, 0, time.Second, term, ""},
		{"a command that ignores TERM dies after the grace period", "trap '' TERM; echo ready; " + loop, grace, grace, 2 * time.Second, kill, ""},
		{"a child that ignores TERM dies after the grace period", "(trap '' TERM; echo ready; " + loop + ") & wait", grace, grace, 2 * time.Second, term, ""},
		{"no grace at all kills at once", "trap '' TERM; echo ready; " + loop, 0, 0, time.Second, kill, ""},
		{"a command that cleans up gets the time and keeps its status", "trap 'sleep 0.3; echo cleaned; exit 3' TERM; echo ready; " + loop, 5 * time.Second, grace, 3 * time.Second, engine.ExitStatus{Code: 3}, "cleaned"},
		{"a child that cleans up gets the time when the command is dead", "(trap 'sleep 0.3; echo cleaned; exit' TERM; echo ready; " + loop + ") & exec sleep 1000", 5 * time.Second, grace, 3 * time.Second, term, "cleaned"},
		{"a second TERM does not disturb one that cleans up", "(trap 'trap \"echo disturbed\" TERM; sleep 0.3; echo cleaned; exit' TERM; echo ready; " + loop + ") & exec sleep 1000", 5 * time.Second, grace, 3 * time.Second, term, "ready\ncleaned\n"},
		{"a daemon that it left is told too", "setsid sh -c 'trap \"echo bye; exit\" TERM; echo ready; " + loop + "' & exec sleep 1000", 5 * time.Second, 0, 3 * time.Second, term, "bye"},
		{"a stopped command ends too", "(while ! grep -q 'State:.T' /proc/$$/status; do sleep 0.05; done; echo ready) & kill -STOP $$; " + loop, 5 * time.Second, 0, time.Second, term, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := shell(tt.script)
			req.Grace = tt.grace
			c := launch(t, "", req, nil)
			c.started(t)
			c.out.await(t, "ready\n")
			begin := time.Now()
			if err := c.Terminate(); err != nil {
				t.Fatal(err)
			}
			got := c.exit(t)
			if took := time.Since(begin); took < tt.atLeast || took > tt.atMost {
				t.Errorf("it took %v, not between %v and %v", took, tt.atLeast, tt.atMost)
			}
			if got != tt.want {
				t.Errorf("status %+v, want %+v", got, tt.want)
			}
			if tt.prints != "" {
				c.out.await(t, tt.prints)
			}
		})
	}
}

func TestKillEndsTheGracePeriod(t *testing.T) {
	c := launch(t, "", shell("trap 'echo asked' TERM; echo ready; "+loop), nil)
	c.started(t)
	c.out.await(t, "ready\n")
	c.Terminate()
	c.out.await(t, "asked\n")
	begin := time.Now()
	c.Kill()
	if got := c.exit(t); got.Signal != 9 || got.Code != 137 {
		t.Errorf("status %+v", got)
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestTerminateBeforeTheStart(t *testing.T) {
	c := launch(t, "", shell("exec sleep 1000"), nil)
	c.Terminate()
	if got := c.exit(t); got.Signal != 15 {
		t.Errorf("status %+v", got)
	}
}

func TestSignalReachesTheGroup(t *testing.T) {
	c := launch(t, "", shell("(trap 'echo child; exit' USR1; echo ready; "+loop+") & trap 'wait; echo parent; exit 4' USR1; "+loop), nil)
	c.started(t)
	c.out.await(t, "ready\n")
	c.Signal(10)
	c.out.await(t, "child\n")
	c.out.await(t, "parent\n")
	if got := c.exit(t); got.Code != 4 {
		t.Errorf("status %+v", got)
	}
}

func TestNothingOutlivesTheCommand(t *testing.T) {
	const daemon = "(setsid sh -c 'trap \"\" TERM HUP; echo ready; " + loop + "' &) ; while ! [ -e /tmp/go ]; do sleep 0.02; done"
	t.Run("a daemon is gone when the command ends", func(t *testing.T) {
		c := launch(t, "rm -f /tmp/go", shell("(setsid sh -c 'echo ready; : > /tmp/go; "+loop+"' &); while ! [ -e /tmp/go ]; do sleep 0.02; done; exit 6"), nil)
		c.started(t)
		if got := c.exit(t); got.Code != 6 { // exit waits for the whole namespace and for the end of the output
			t.Errorf("status %+v", got)
		}
	})
	t.Run("all of it is gone when the client is", func(t *testing.T) {
		c := launch(t, "rm -f /tmp/go", shell("trap '' TERM; "+daemon), nil)
		c.started(t)
		c.out.await(t, "ready\n")
		begin := time.Now()
		c.Close()
		<-c.gone
		if took := time.Since(begin); took > 500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if c.code != 137 {
			t.Errorf("PID 1 ended with %d", c.code)
		}
	})
	t.Run("the init ends when the client goes before it asks", func(t *testing.T) {
		c := open(t, "")
		c.Close()
		<-c.gone
		if c.code != 137 {
			t.Errorf("PID 1 ended with %d", c.code)
		}
	})
}

func TestInitSurvivesStraySignals(t *testing.T) {
	script := `for s in $(seq 1 64); do
		case $s in 1|2|9|15|19) continue;; esac
		kill -$s 1 2>/dev/null
	done
	sleep 0.2; echo alive; exit 5`
	out, status := run(t, "", shell(script))
	if out != "alive" || status.Code != 5 {
		t.Errorf("printed %q, status %+v", out, status)
	}
}

func TestSignalsToTheInitTerminate(t *testing.T) {
	for _, name := range []string{"TERM", "INT", "HUP"} {
		t.Run(name, func(t *testing.T) {
			_, status := run(t, "", shell("kill -"+name+" 1; "+loop))
			if status.Signal != 15 {
				t.Errorf("status %+v", status)
			}
		})
	}
}

func TestOrphansAreReaped(t *testing.T) {
	// 20 orphans end while the command runs; then no process may be a zombie.
	script := `for i in $(seq 20); do (sh -c 'echo $$ >> /tmp/orphans; sleep 0.05' &); done
	while [ $(wc -l < /tmp/orphans) -lt 20 ]; do sleep 0.02; done
	for p in $(cat /tmp/orphans); do
		n=0; while [ -e /proc/$p ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n+1)); done
		[ -e /proc/$p ] && grep State /proc/$p/status
	done
	echo checked $(wc -l < /tmp/orphans)`
	out, _ := run(t, "rm -f /tmp/orphans; : > /tmp/orphans", shell(script))
	if out != "checked 20" {
		t.Errorf("left over: %s", out)
	}
}

func TestInitThatIsKilledFromOutside(t *testing.T) {
	c := launch(t, "", shell("echo ready; exec sleep 1000"), nil)
	c.started(t)
	c.out.await(t, "ready\n")
	c.init.Kill()
	if _, err := c.Exit(); !errors.Is(err, lifeline.ErrGone) {
		t.Errorf("error is %v", err)
	}
	<-c.gone
}
