package values

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Refusal is why a value is none. It is nil for one that is good.
type Refusal struct {
	Reason string // what is wrong with it
	Hint   string // what to write instead
}

func refuse(hint, reason string, args ...any) *Refusal {
	return &Refusal{Reason: fmt.Sprintf(reason, args...), Hint: hint}
}

// Clip shows a value in a message: quoted, on one line, and no longer than a line bears.
func Clip(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strconv.Quote(text)
}

// The networks that a container can have.
const (
	Private = "private" // its own; connections to the outside work
	Host    = "host"    // this machine's
	None    = "none"    // its own loopback only
)

var networks = []string{Private, Host, None}

// Network reads the kind of a container's network.
func Network(text string) (string, *Refusal) {
	hint := "a network is one of " + strings.Join(networks, ", ")
	for _, known := range networks {
		if text == known {
			return text, nil
		}
	}
	switch near := Nearest(text, networks); {
	case len(near) > 0:
		hint = fmt.Sprintf("did you mean %s? (%s)", near[0], hint)
	case text == "bridge" || text == "default":
		hint = fmt.Sprintf("did you mean %s? (%s)", Private, hint)
	}
	return "", refuse(hint, "no network %s", Clip(text))
}

// Size reads a number of bytes: 1048576, 500m, 1.5GB. The letters b, k, m, g and t, with or without a B or iB, are
// powers of 1024 as in Docker. What is no size, no more than nothing, or more than an int64 holds is refused.
func Size(text string) (int64, *Refusal) {
	no := refuse("write 500m, 2g, 1.5GB or a number of bytes", "%s is not a size", Clip(text))
	number := strings.TrimRight(text, "bBkKmMgGtTiI")
	if !PlainNumber(number) {
		return 0, no
	}
	shift := map[string]uint{"": 0, "b": 0, "k": 10, "kb": 10, "kib": 10, "m": 20, "mb": 20, "mib": 20,
		"g": 30, "gb": 30, "gib": 30, "t": 40, "tb": 40, "tib": 40}
	by, ok := shift[strings.ToLower(text[len(number):])]
	if !ok {
		return 0, no
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole < 1 || whole > math.MaxInt64>>by {
			return 0, no
		}
		return whole << by, nil
	}
	fraction, err := strconv.ParseFloat(number, 64)
	size := fraction * float64(int64(1)<<by)
	if err != nil || size < 1 || size >= math.MaxInt64 {
		return 0, no
	}
	return int64(size), nil
}

// PlainNumber says whether text is digits with at most one dot.
func PlainNumber(text string) bool {
	return strings.Trim(text, "0123456789.") == "" && strings.Count(text, ".") < 2 && strings.Trim(text, ".") != ""
}

// leastMemory is Docker's. Source: https://docs.docker.com/engine/containers/resource_constraints/
const leastMemory = 6 << 20

// Memory reads a limit of memory, in bytes.
func Memory(text string) (int64, *Refusal) {
	size, no := Size(text)
	if no == nil && size < leastMemory {
		no = refuse("write 512m or 2g; 6m is the least", "%s is too little memory for a container", Clip(text))
		if strings.Trim(text, "0123456789") == "" {
			no.Hint = fmt.Sprintf("a number alone is bytes: did you mean %sm or %sg? (6m is the least)", text, text)
		}
	}
	if no != nil {
		return 0, no
	}
	return size, nil
}

// The least and the most processors. The kernel gives out no less than 1 ms in 100 ms.
// Source: https://docs.kernel.org/scheduler/sched-bwc.html
const (
	leastCPUs = 0.01
	mostCPUs  = 1e6
)

// CPUs reads how many processors a container may keep busy at once, "2" or "0.5".
func CPUs(text string) (float64, *Refusal) {
	const hint = "write 2 for two of them, 0.5 for half of one"
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || !PlainNumber(text) || n > mostCPUs:
		return 0, refuse(hint, "%s is not a number of processors", Clip(text))
	case n == 0:
		return 0, refuse(hint+", and leave it out for no limit", "%s processors can run nothing", text)
	case n < leastCPUs:
		return 0, refuse(hint+"; 0.01 is the least", "%s is too little of a processor", Clip(text))
	}
	return n, nil
}

// mostPIDs is the kernel's PID_MAX_LIMIT on a 64-bit machine; it takes no greater limit.
const mostPIDs = 1 << 22

// PIDs reads how many processes and threads a container may have at once.
func PIDs(text string) (int64, *Refusal) {
	const hint = "write 500 for at most 500 at once"
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case strings.Trim(text, "0123456789") != "" || text == "":
		return 0, refuse(hint, "%s is not a number of processes", Clip(text))
	case err == nil && n == 0:
		return 0, refuse(hint+", and leave it out for no limit", "no process can run where %s are allowed", text)
	case err != nil || n > mostPIDs:
		return 0, refuse(fmt.Sprintf("%d is the most", mostPIDs), "%s are more processes than a kernel has", Clip(text))
	}
	return n, nil
}
