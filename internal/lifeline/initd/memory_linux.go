package initd

import (
	"os"
	"strconv"
	"strings"
)

// cgroups is where the container's own cgroup is mounted.
const cgroups = "/sys/fs/cgroup"

// memoryUse returns how many processes of the container the kernel ended for memory, and the most memory that it used,
// in KiB; 0 where that is not known. Formats: cgroups v2 (memory.events, memory.peak), v1 (memory.oom_control,
// memory.max_usage_in_bytes); Documentation/admin-guide in the kernel's source.
func memoryUse(root string) (kills, peak uint32) {
	events, most := root+"/memory.events", root+"/memory.peak"
	text, err := os.ReadFile(events)
	if err != nil {
		events, most = root+"/memory/memory.oom_control", root+"/memory/memory.max_usage_in_bytes"
		if text, err = os.ReadFile(events); err != nil {
			return 0, 0
		}
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			kills = number(value, 1)
		}
	}
	if text, err = os.ReadFile(most); err == nil {
		peak = number(string(text), 1024)
	}
	return kills, peak
}

// number reads a decimal number in units.
func number(s string, unit uint64) uint32 {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return 0
	}
	return uint32(min(n/unit, 1<<32-1))
}
