package machine

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"caisson/test/harness"
)

// recipe makes a machine's kernel and disk.
//
//go:embed disk.sh
var recipe string

// diskLimit is how long it may take: the packages come from the Debian mirror.
const diskLimit = 10 * time.Minute

// image is the folder of a kernel and a disk, which no machine changes.
type image string

func (i image) kernel() string { return filepath.Join(string(i), "vmlinuz") }
func (i image) disk() string   { return filepath.Join(string(i), "disk.ext4") }

// disk returns the image that the recipe makes. It is made once and lies below .build, under the hash of the recipe.
func disk(t testing.TB) image {
	t.Helper()
	all := filepath.Join(harness.Root(), ".build", "test", "machine")
	if err := os.MkdirAll(all, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(all, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil { // test packages run at once
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(recipe))
	dir := filepath.Join(all, hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(dir); err == nil {
		return image(dir)
	}
	making := filepath.Join(all, "making")
	if err := os.RemoveAll(making); err != nil { // of one that was interrupted
		t.Fatal(err)
	}
	if err := os.Mkdir(making, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), diskLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", recipe)
	cmd.Dir = making
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make the disk of the machine: %v\n%s", err, tail(string(out)))
	}
	if err := os.Rename(making, dir); err != nil {
		t.Fatal(err)
	}
	return image(dir)
}

// tail is the last lines of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
