// Command caisson-init is PID 1 of every container. All of it is in package initd.
package main

import (
	"os"

	"caisson/internal/lifeline/initd"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == initd.StepWord {
		os.Exit(initd.Step(os.Args[2:]))
	}
	os.Exit(initd.Run())
}
