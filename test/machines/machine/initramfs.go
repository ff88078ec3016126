package machine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"caisson/test/harness"
)

// buildInitramfs builds the machine's first program and packs it as what the kernel starts.
func buildInitramfs(t testing.TB, to string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "guest")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./test/machines/guest")
	build.Dir = harness.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the machine's first program: %v\n%s", err, out)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, archive("init", content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// archive is a cpio archive with one executable file, in the form that the kernel unpacks at its start: "newc", see
// Documentation/driver-api/early-userspace/buffer-format.rst.
func archive(name string, content []byte) []byte {
	b := &bytes.Buffer{}
	entry(b, name, 0o100755, content)
	entry(b, "TRAILER!!!", 0, nil)
	return b.Bytes()
}

// entry writes a header of thirteen numbers, the name and the content, each padded to four bytes.
func entry(b *bytes.Buffer, name string, mode int, content []byte) {
	b.WriteString("070701")
	for _, field := range []int{
		1, mode, 0, 0, 1, 0, len(content), // inode, mode, uid, gid, links, time, size
		0, 0, 0, 0, len(name) + 1, 0, // the device of the file, that of a node, length of the name, no checksum
	} {
		fmt.Fprintf(b, "%08x", field)
	}
	b.WriteString(name)
	b.WriteByte(0)
	pad(b)
	b.Write(content)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
