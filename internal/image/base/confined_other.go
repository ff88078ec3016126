//go:build !linux

package base

import "os/exec"

// startConfined: there is no mmdebstrap elsewhere; it is started as any program.
func startConfined(cmd *exec.Cmd) error { return cmd.Start() }
