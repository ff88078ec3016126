package cli

import (
	"fmt"
	"os"
	"runtime"

	"caisson/internal/payload"
)

func printVersion(b Build) error {
	fmt.Fprintf(os.Stdout, "caisson %s (commit %s, %s, %s/%s, %s)\n", b.Version, b.Commit, b.Date, runtime.GOOS, runtime.GOARCH, runtime.Version())
	ps, err := payload.Programs()
	if err != nil {
		fmt.Fprintln(os.Stderr, "caisson:", err)
		return err
	}
	for _, p := range ps {
		fmt.Fprintf(os.Stdout, "  %-15s %-8s sha256:%s\n", p.Name, p.Version, p.SHA256[:16])
	}
	return nil
}
