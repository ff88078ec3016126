package initd

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryIsReadFromBothKindsOfCgroups(t *testing.T) {
	cases := map[string]struct {
		files       map[string]string
		kills, peak uint32
	}{
		"v2":             {map[string]string{"memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 1\n", "memory.peak": "20971520\n"}, 2, 20480},
		"v2 before 5.19": {map[string]string{"memory.events": "oom 0\noom_kill 0\n"}, 0, 0},
		"v1":             {map[string]string{"memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "memory/memory.max_usage_in_bytes": "1048576\n"}, 1, 1024},
		"none":           {nil, 0, 0},
		"nonsense":       {map[string]string{"memory.events": "oom_kill x\n", "memory.peak": "max\n"}, 0, 0},
	}
	for name, c := range cases {
		root := t.TempDir()
		for path, text := range c.files {
			full := filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if kills, peak := memoryUse(root); kills != c.kills || peak != c.peak {
			t.Errorf("%s: %d kills, peak %d KiB; want %d and %d", name, kills, peak, c.kills, c.peak)
		}
	}
}
