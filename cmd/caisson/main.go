// Caisson builds and tests a source tree on every platform it has to run on, in containers.
package main

import (
	"os"

	"caisson/internal/cli"
	"caisson/internal/sandbox"
)

// Set by the linker.
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	sandbox.Main()
	os.Exit(cli.Main(os.Args[1:], cli.Build{Version: version, Commit: commit, Date: date}))
}
