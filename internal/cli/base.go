package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"caisson/internal/term"
)

const baseUsage = `usage: caisson base add REF SOURCE     make an image that FROM REF finds without a registry
       caisson base list
       caisson base remove REF

SOURCE is an OCI layout (folder) or archive (tar), a docker save archive, a root file system (tar or folder), or
debian:SUITE[/ARCH], which is made from the Debian mirror of this machine by mmdebstrap.
Example: caisson base add debian:bookworm debian:bookworm
`

func bases(s *session, words []string) error {
	if s.help || len(words) == 0 {
		_, err := io.WriteString(os.Stdout, baseUsage)
		return err
	}
	want := map[string]int{"add": 3, "list": 1, "remove": 2}
	n, ok := want[words[0]]
	if !ok || len(words) != n {
		return &UsageError{Reason: fmt.Sprintf("base does not understand %q", strings.Join(words, " ")), Hint: strings.SplitN(baseUsage, "\n\n", 2)[0]}
	}
	e, err := s.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	switch words[0] {
	case "add":
		start := time.Now()
		b, err := e.AddBase(s.in.Context, words[1], words[2], func(text string) { s.term.Note("base %s: %s", words[1], text) })
		if err != nil {
			return err
		}
		s.term.Note("base %s (%s, %s) added in %s", words[1], b.Arch, term.Bytes(b.Size), term.Duration(time.Since(start)))
	case "remove":
		return e.RemoveBase(s.in.Context, words[1])
	case "list":
		all, err := e.Bases()
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "REF\tARCH\tSIZE\tADDED\tSOURCE")
		for _, b := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.Ref, b.Arch, term.Bytes(b.Size), b.Created.Local().Format(time.DateTime), b.Source)
		}
		return w.Flush()
	}
	return nil
}
