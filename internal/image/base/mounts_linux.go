package base

import (
	"os"
	"path/filepath"
	"strings"
)

// mountBelow returns a place at or below dir where something is mounted, "" if there is none.
func mountBelow(dir string) string {
	dir, err := filepath.EvalSymlinks(absolute(dir))
	if err != nil {
		return "" // gone
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "" // without /proc no program of ours could have mounted anything either
	}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // proc(5): the fifth is the mount point
		if len(fields) < 5 {
			continue
		}
		if at := unescape.Replace(fields[4]); at == dir || strings.HasPrefix(at, dir+"/") {
			return at
		}
	}
	return ""
}
