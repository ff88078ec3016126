package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"caisson/internal/engine/embedded"
	"caisson/internal/run"
)

const doctorUsage = `usage: caisson doctor

What this machine can do, which engine is chosen and why; what is missing comes with the next step.
Example: caisson doctor
`

func doctor(s *session, words []string) error {
	if s.help {
		_, err := io.WriteString(os.Stdout, doctorUsage)
		return err
	}
	if len(words) > 0 {
		return &UsageError{Reason: fmt.Sprintf("doctor does not know %q", words[0]), Hint: "caisson doctor"}
	}
	checks := append(embedded.Checks(s.in.Context, s.storeDir), hostPrograms()...)
	bad := 0
	for _, c := range checks {
		mark := "ok"
		switch {
		case !c.OK && c.Optional:
			mark = "--"
		case !c.OK:
			mark = "NO"
			bad++
		}
		fmt.Printf("%s  %-12s %s\n", mark, c.Name, c.Found)
		if !c.OK {
			fmt.Printf("    %-12s -> %s\n", "", c.Next)
		}
	}
	who := run.Caller()
	fmt.Printf("    runs work as uid %d, gid %d\n", who.UID, who.GID)
	if bad > 0 {
		fmt.Println("\nengine: none; the embedded engine is the only one in this version, and needs what is marked NO")
		return errors.New("this machine cannot run caisson yet; see above")
	}
	fmt.Println("\nengine: embedded, since all that it needs is here; nothing has to be installed and no daemon runs")
	return nil
}

// hostPrograms are those of the host that caisson can use.
func hostPrograms() []embedded.Check {
	c := embedded.Check{Name: "mmdebstrap", Optional: true, Next: "apt-get install mmdebstrap, for `caisson base add REF debian:SUITE`"}
	path, err := exec.LookPath("mmdebstrap")
	c.OK, c.Found = err == nil, path
	if err != nil {
		c.Found = "not installed"
	}
	return []embedded.Check{c}
}
