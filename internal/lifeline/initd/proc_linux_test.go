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
