package record

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// The test binary is also the client that gets killed: with clientEnv it makes records in that folder.
const (
	clientEnv = "RECORD_TEST_CLIENT"
	loopEnv   = "RECORD_TEST_LOOP"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(clientEnv); dir != "" {
		client(dir, os.Getenv(loopEnv) != "")
		return
	}
	os.Exit(m.Run())
}

// client makes a record with a leftover, says its id on standard output and waits for its standard input to end; with
// loop it makes and ends one record after the other until it is killed.
func client(dir string, loop bool) {
	for {
		r, err := Create(dir, Info{Root: "/tree", Mode: InPlace, Platform: "armv7"})
		if err == nil {
			err = r.Leftover("cgroup", "/cgroup/"+r.ID())
		}
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Fprintln(r.Log(), "a line")
		r.Event("started", "pid", os.Getpid())
		fmt.Println(r.ID())
		if !loop {
			os.Stdin.Read(make([]byte, 1))
		}
		if err := r.Finish(End{How: Exited}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		if !loop {
			return
		}
	}
}

func clientCommand(t *testing.T, dir string, loop bool) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), clientEnv+"="+dir)
	if loop {
		cmd.Env = append(cmd.Env, loopEnv+"=1")
	}
	return cmd
}
