// Package payload holds the programs that travel inside caisson's one file and unpacks each of them once, below a store,
// in a folder named by its content. Bytes that nobody asks for are never read.
package payload

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Names of the programs.
const (
	Engine = "caisson-engine" // image builds
	Runc   = "runc"           // the container runtime
	Init   = "caisson-init"   // PID 1 of a container
)

// files is filled by mkpayload (see the Makefile): NAME.zst and manifest.json.
//
//go:embed files
var files embed.FS

// Program is one payload.
type Program struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"` // of the unpacked program
	Size    int64  `json:"size"`   // bytes, unpacked
	Version string `json:"version"`
}

var manifest = sync.OnceValues(func() ([]Program, error) {
	b, err := files.ReadFile("files/manifest.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("this caisson was built without its payloads; build it with `make`")
	}
	if err != nil {
		return nil, err
	}
	var ps []Program
	if err := json.Unmarshal(b, &ps); err != nil {
		return nil, fmt.Errorf("read payload manifest: %w", err)
	}
	return ps, nil
})

// Programs lists the payloads.
func Programs() ([]Program, error) { return manifest() }

// Unpack returns the path of a program below dir, which it unpacks there first when it is missing or has the wrong size.
// Two callers at once are safe: each writes a file of its own and renames it.
func Unpack(dir, name string) (string, error) {
	ps, err := manifest()
	if err != nil {
		return "", err
	}
	for _, p := range ps {
		if p.Name != name {
			continue
		}
		path := filepath.Join(dir, p.SHA256[:16], name)
		if st, err := os.Lstat(path); err == nil && st.Mode().IsRegular() && st.Size() == p.Size {
			return path, nil
		}
		if err := p.unpack(path); err != nil {
			return "", fmt.Errorf("unpack %s into the store: %w", name, err)
		}
		return path, nil
	}
	return "", fmt.Errorf("this caisson carries no program %q", name)
}

func (p Program) unpack(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	src, err := files.Open("files/" + p.Name + ".zst")
	if err != nil {
		return err
	}
	defer src.Close()
	zr, err := zstd.NewReader(src)
	if err != nil {
		return err
	}
	defer zr.Close()
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+p.Name+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(tmp, h), zr); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != p.SHA256 {
		return fmt.Errorf("content does not match its hash: %s, want %s", got, p.SHA256)
	}
	if err := tmp.Chmod(0o555); err != nil {
		return err
	}
	// Closed before the rename: a program that is still open for writing cannot be executed.
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
