package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FunctionsError is a functions file that cannot run the build function of a platform.
type FunctionsError struct {
	Path    string   // absolute path of the functions file
	Reason  string   // what is wrong with it
	Hint    string   // what to do next
	Nearest []string // functions that may have been meant
}

func (e *FunctionsError) Error() string {
	reason := e.Reason
	if len(e.Nearest) > 0 {
		reason += "; nearest: " + strings.Join(e.Nearest, ", ")
	}
	return reason + "; " + e.Hint
}

// BuildFunction is the function that builds a platform.
func BuildFunction(platform string) string { return "build_" + platform }

// CheckFunctions says whether the platform's default command, "<functions> build_<platform>", can be run: the functions
// file is in the tree, is executable and has the function. What speaks against it is a *FunctionsError. A function that
// may come from a file that is read at run time, or that the parser did not find in a file that it does not understand,
// is taken to be there: the shell will know.
func CheckFunctions(p *Project, pl Platform) error {
	path := filepath.Join(p.DockerDir, FunctionsFile)
	function := BuildFunction(pl.Name)
	instead := fmt.Sprintf("or give a command: caisson -p %s COMMAND", shown(pl.Name))

	info, err := os.Stat(path)
	if reason := notThere(path, info, err); reason != "" {
		return &FunctionsError{Path: path, Reason: reason,
			Hint: fmt.Sprintf("create it with a function %s, %s", function, instead)}
	}
	if real, outside := leavesTree(p.Root, path); outside {
		return &FunctionsError{Path: path,
			Reason: fmt.Sprintf("the functions file %s is a link to %s, which is not in the container", shown(path), shown(real)),
			Hint:   fmt.Sprintf("put the file itself into the tree, %s", instead)}
	}
	if info.Mode()&0o111 == 0 {
		return &FunctionsError{Path: path,
			Reason: fmt.Sprintf("the functions file %s is not executable", shown(path)),
			Hint:   "chmod +x " + shown(path)}
	}
	set, err := Functions(path)
	if err != nil {
		return err
	}
	if set.Has(function) || !set.Complete() {
		return nil
	}
	return &FunctionsError{Path: path,
		Reason:  fmt.Sprintf("no function %s in %s", shown(function), shown(path)),
		Hint:    fmt.Sprintf("add it there, %s", instead),
		Nearest: set.Nearest(function)}
}

// notThere says what is in the place of the functions file, "" when it is the file.
func notThere(path string, info fs.FileInfo, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("no functions file, expected at %s", shown(path))
	case err != nil:
		return fmt.Sprintf("the functions file %s cannot be read: %v", shown(path), cause(err))
	case info.IsDir():
		return fmt.Sprintf("the functions file %s is a folder", shown(path))
	case !info.Mode().IsRegular():
		return fmt.Sprintf("the functions file %s is not a regular file", shown(path))
	}
	return ""
}

// leavesTree follows links: a container has the tree and not what lies beside it.
func leavesTree(root, path string) (real string, outside bool) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false // whoever reads the file will say it
	}
	rel, err := filepath.Rel(root, real)
	return real, err != nil || rel == ".." || strings.HasPrefix(rel, "../")
}
