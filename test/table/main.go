// Command table runs tests of the whole program in both modes and shows them as one table: a row for each test, a column
// for each mode. It prints of failed tests what they printed, as go test does.
//
// usage: go run ./test/table [-v] [-together] [-o FILE] [arguments of go test]
//
//	-v         print what all tests print
//	-together  both modes at once: each line of what they print begins with the mode's name
//	-o FILE    write the table there, too
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// modes are the values of CAISSON_TEST_AS.
var modes = []string{"root", "user"}

func main() {
	verbose := flag.Bool("v", false, "print what all tests print")
	together := flag.Bool("together", false, "run both modes at once")
	file := flag.String("o", "", "write the table to this `file`, too")
	flag.Parse()
	t := &table{}
	failed := false
	errs := make([]error, len(modes))
	var wg sync.WaitGroup
	var out sync.Mutex
	for i, mode := range modes {
		wg.Go(func() {
			errs[i] = run(t, mode, &prefixed{w: os.Stdout, mu: &out, prefix: mode + ": "}, *verbose, flag.Args())
		})
		if !*together {
			wg.Wait()
		}
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			fmt.Fprintf(os.Stderr, "go test as %s: %v\n", modes[i], err)
			failed = true
		}
	}
	if err := write(t, *file); err != nil {
		fmt.Fprintln(os.Stderr, "write the table:", err)
		failed = true
	}
	if failed {
		os.Exit(1)
	}
}

// run runs go test in one mode and notes the results in the table.
func run(t *table, mode string, to io.Writer, verbose bool, args []string) error {
	goTool := os.Getenv("GO")
	if goTool == "" {
		goTool = "go"
	}
	cmd := exec.Command(goTool, append([]string{"test", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), "CAISSON_TEST_AS="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c := &collector{mode: mode, table: t, out: to, verbose: verbose, open: map[name]bool{}, said: map[name][]string{}}
	readErr := c.read(out)
	if readErr != nil {
		_, _ = io.Copy(io.Discard, out) // what ends it ends
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return readErr
}

func write(t *table, file string) error {
	fmt.Println()
	if err := t.print(os.Stdout); err != nil || file == "" {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.print(f); err != nil {
		return err
	}
	return f.Close()
}
