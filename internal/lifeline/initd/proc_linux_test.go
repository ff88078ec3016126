package initd

import (
	"os"
	"syscall"
	"testing"
)

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		name, stat string
		group      int
		alive      bool
	}{
		{"a plain line", "12 (make) S 1 10 9 0", 10, true},
		{"a name with parentheses and spaces", "12 (a) Z 7 (b)) R 1 11 9", 11, true},
		{"a zombie", "12 (make) Z 1 10 9", 0, false},
		{"a short line", "12 (make) S 1", 0, false},
		{"no line", "", 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			group, alive := parseStat([]byte(tt.stat))
			if alive != tt.alive || alive && group != tt.group {
				t.Errorf("group %d, alive %v", group, alive)
			}
		})
	}
}

func TestShellsWithJobControlAreTold(t *testing.T) {
	for _, tt := range []struct {
		name, status string
		want         bool
	}{
		{"an interactive bash", "Name:\tbash\nSigBlk:\t0000000000010000\nSigIgn:\t0000000000384004\nSigCgt:\t000000004b813efb\n", true},
		{"make", "Name:\tmake\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000384004\n", false},
		{"a program that ignores one of them", "Name:\tx\nSigIgn:\t0000000000200000\n", false},
		{"no status", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ignored([]byte(tt.status))&jobControl == jobControl; got != tt.want {
				t.Errorf("told as a shell: %v", got)
			}
		})
	}
}

func TestProcessesListsThisOne(t *testing.T) {
	for _, p := range processes("/proc") {
		if p.pid == os.Getpid() && p.group == syscall.Getpgrp() {
			return
		}
	}
	t.Error("this process is not in the list")
}

func TestRunRefusesToBeAnythingButPID1(t *testing.T) {
	if got := Run(); got != statusMisuse {
		t.Errorf("status %d", got)
	}
}
