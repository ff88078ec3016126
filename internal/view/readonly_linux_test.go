package view

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// readOnly runs f with root mounted read-only, in a mount namespace of its own.
func readOnly(t *testing.T, root string, f func() error) error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		result <- errors.Join(
			syscall.Unshare(syscall.CLONE_NEWNS|syscall.CLONE_FS),
			syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			syscall.Mount(root, root, "", syscall.MS_BIND, ""),
			syscall.Mount("", root, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""),
			f())
	}()
	return <-result
}

func TestAReadOnlyTree(t *testing.T) {
	root := newTree(t, "tree")
	err := readOnly(t, root, func() error { _, err := InPlace(options(root)); return err })
	if err == nil || !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "copy the tree to where it can be written") {
		t.Fatalf("without build: %v", err)
	}
	makeDir(t, filepath.Join(root, "build"))
	var got View
	must(t, readOnly(t, root, func() (err error) { got, err = InPlace(options(root)); return err }))
	if len(got.Notes) != 1 || !strings.Contains(got.Notes[0], "copy the tree") || len(got.Mounts) != 2 {
		t.Fatalf("with build: %+v", got)
	}
}
