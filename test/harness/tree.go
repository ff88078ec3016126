package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Tree is a project and what it is run with.
type Tree struct {
	Root, Store string
	Cache       string   // compiler cache; where none is named it is the one that tests share
	Env         []string // of every command
}

// NewTree is a project named demo with these files beside those of Project, with the shared store and a compiler cache
// of its own.
func NewTree(t testing.TB, files map[string]string) Tree {
	t.Helper()
	return Tree{Root: Project(t, "demo", files), Store: Store(t), Cache: filepath.Join(TempDir(t), "ccache")}
}

// With is the tree with more in the environment.
func (tr Tree) With(env ...string) Tree {
	tr.Env = append(tr.Env[:len(tr.Env):len(tr.Env)], env...)
	return tr
}

// Owned is the tree as the tester's, who calls caisson: as root by sudo, else as it is. A test asserts the same of both.
func (tr Tree) Owned(t testing.TB) Tree {
	t.Helper()
	tr.Cache = TempDir(t)
	Give(t, Tester, tr.Root, tr.Cache)
	if Rootless() {
		return tr
	}
	return tr.With(fmt.Sprintf("SUDO_UID=%d", Tester.UID), fmt.Sprintf("SUDO_GID=%d", Tester.GID), "SUDO_USER="+Tester.Name)
}

// Command is a command line in the tree.
func (tr Tree) Command(args ...string) Command {
	c := Command{Dir: tr.Root, Store: tr.Store, Args: args}
	if tr.Cache != "" {
		c.Env = append(c.Env, "CCACHE_DIR="+tr.Cache)
	}
	c.Env = append(c.Env, tr.Env...)
	return c
}

// Must runs a command that has to succeed.
func (tr Tree) Must(t testing.TB, args ...string) Result {
	t.Helper()
	return tr.Command(args...).Must(t)
}

// File is the path of a file of the tree.
func (tr Tree) File(name string) string { return filepath.Join(tr.Root, name) }

// Read is the content of a file of the tree.
func (tr Tree) Read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(tr.File(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Write writes files of the tree.
func (tr Tree) Write(t testing.TB, files map[string]string) {
	t.Helper()
	Write(t, tr.Root, files)
}
