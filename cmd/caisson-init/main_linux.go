// Command caisson-init is PID 1 of every container. All of it is in package initd.
package main

import (
	"os"

	"caisson/internal/lifeline/initd"
)

func main() { os.Exit(initd.Run()) }
