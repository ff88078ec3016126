package initd

import (
	"bytes"
	"os"
	"strconv"
)

// jobControl are the signals that every shell with job control ignores: TSTP, TTIN and TTOU, as bits of a signal mask.
const jobControl = 1<<(20-1) | 1<<(21-1) | 1<<(22-1)

// controlsJobs tells an interactive shell from other programs, by what it ignores.
func controlsJobs(dir string, pid int) bool {
	status, err := os.ReadFile(dir + "/" + strconv.Itoa(pid) + "/status")
	return err == nil && ignored(status)&jobControl == jobControl
}

// ignored reads the mask of ignored signals out of proc_pid_status(5).
func ignored(status []byte) uint64 {
	_, after, _ := bytes.Cut(status, []byte("\nSigIgn:\t"))
	mask, _, _ := bytes.Cut(after, []byte("\n"))
	n, err := strconv.ParseUint(string(mask), 16, 64)
	if err != nil {
		return 0
	}
	return n
}

// process is one line of the process table.
type process struct{ pid, group int }

// processes lists the PID namespace whose proc file system is mounted at dir; nothing where none is. Zombies are left
// out.
func processes(dir string) []process {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var list []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(dir + "/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended
		}
		if group, alive := parseStat(stat); alive {
			list = append(list, process{pid, group})
		}
	}
	return list
}

// parseStat reads state and process group, fields 3 and 5 of proc_pid_stat(5). The name before them is in parentheses
// and may hold anything, parentheses too.
func parseStat(stat []byte) (group int, alive bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, false
	}
	fields := bytes.Fields(stat[end+1:])
	if len(fields) < 3 || fields[0][0] == 'Z' || fields[0][0] == 'X' {
		return 0, false
	}
	group, err := strconv.Atoi(string(fields[2]))
	return group, err == nil
}
