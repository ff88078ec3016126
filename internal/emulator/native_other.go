//go:build !linux

package emulator

// has32Bit is asked of Linux only.
func has32Bit() bool { return false }
