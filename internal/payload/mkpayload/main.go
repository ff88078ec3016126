// Mkpayload compresses programs for embedding: mkpayload -o DIR NAME=PATH[=VERSION]…
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/payload"

	"github.com/klauspost/compress/zstd"
)

func main() {
	out := flag.String("o", "", "folder to write to")
	flag.Parse()
	if err := run(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mkpayload:", err)
		os.Exit(1)
	}
}

func run(out string, args []string) error {
	var ps []payload.Program
	for _, a := range args {
		f := strings.SplitN(a, "=", 3)
		if len(f) < 2 {
			return fmt.Errorf("%q is not NAME=PATH[=VERSION]", a)
		}
		p := payload.Program{Name: f[0]}
		if len(f) == 3 {
			p.Version = f[2]
		}
		b, err := os.ReadFile(f[1])
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		p.SHA256, p.Size = hex.EncodeToString(sum[:]), int64(len(b))
		ps = append(ps, p)
		if err := compress(filepath.Join(out, p.Name+".zst"), b); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(ps, "", " ")
	if err != nil {
		return err
	}
	return writeIfChanged(filepath.Join(out, "manifest.json"), append(b, '\n'))
}

// compress skips a program that is there already: the best level takes seconds.
func compress(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil {
		if zr, err := zstd.NewReader(nil); err == nil {
			defer zr.Close()
			if plain, err := zr.DecodeAll(old, nil); err == nil && bytes.Equal(plain, b) {
				return nil
			}
		}
	}
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	return os.WriteFile(path, zw.EncodeAll(b, nil), 0o644)
}

// writeIfChanged keeps the time stamp of an unchanged file, so that nothing is linked anew for it.
func writeIfChanged(path string, b []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, b) {
		return nil
	}
	return os.WriteFile(path, b, 0o644)
}
