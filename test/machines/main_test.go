// Package machines tests the program in machines that it boots, for what this one's kernel setup does not show. That takes
// minutes, so it is done with CAISSON_MACHINES=full only (`make machines`); without it `go test` says that there are no tests
// to run. What the machines are made of is tested in package machine, always.
package machines

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("CAISSON_MACHINES") != "full" {
		if err := flag.Set("test.skip", "."); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}
