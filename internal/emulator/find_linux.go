package emulator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// versionLimit is how long an emulator may take to say its version.
const versionLimit = 10 * time.Second

// Find returns the emulator of an architecture (Platform.Architecture): the first qemu-ARCH-static, else the first
// qemu-ARCH that is linked statically, in PATH and /usr/bin. What it learned of the file stays in cacheDir, which is
// made when it is missing, for as long as the file does not change. Where there is none the error is a *MissingError.
func Find(cacheDir, arch string) (Emulator, error) {
	f, err := formatOf(arch)
	if err != nil {
		return Emulator{}, err
	}
	static := "qemu-" + f.qemu + "-static"
	missing := &MissingError{Arch: arch, Program: static}
	for _, name := range []string{static, "qemu-" + f.qemu} {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
			path := filepath.Join(dir, name)
			info, err := os.Stat(path)
			if err != nil || !filepath.IsAbs(path) || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
				continue
			}
			e, err := know(cacheDir, arch, path, stampOf(info))
			if !errors.Is(err, errDynamic) {
				return e, err
			}
			missing.Dynamic = path
		}
	}
	return Emulator{}, missing
}

// know returns what is known of the emulator at path, from the cache if it can.
func know(cacheDir, arch, path string, now stamp) (Emulator, error) {
	e := Emulator{Arch: arch, Path: path}
	if known, ok := readKnown(cacheDir, path, now); ok {
		e.Version, e.Hash = known.Version, known.Hash
		return e, nil
	}
	var err error
	if e.Hash, err = examine(path); err != nil {
		return Emulator{}, fmt.Errorf("look at the emulator %s: %w", path, err)
	}
	if e.Version, err = askVersion(path); err != nil {
		return Emulator{}, err
	}
	writeKnown(cacheDir, path, known{Stamp: now, Version: e.Version, Hash: e.Hash})
	return e, nil
}

// errDynamic: with flag F the kernel opens the emulator when it is registered, but its loader in the container.
var errDynamic = errors.New("it is not linked statically")

// examine returns the hash of a static ELF program, and errDynamic of another.
func examine(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	static, err := isStatic(f)
	if err != nil {
		return "", err
	}
	if !static {
		return "", errDynamic
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// isStatic says whether an ELF file names no loader (PT_INTERP).
func isStatic(f io.ReaderAt) (bool, error) {
	const headerSize, interp = 64, 3
	head := make([]byte, headerSize)
	if n, err := f.ReadAt(head, 0); n < headerSize || !bytes.HasPrefix(head, []byte(elfMagic)) {
		return false, fmt.Errorf("it is no ELF program (%d bytes read, %v)", n, err)
	}
	order := byteOrder(head[dataAt])
	var start int64 // e_phoff
	var size, count int
	if head[classAt] == class64 {
		start, size, count = int64(order.Uint64(head[32:])), int(order.Uint16(head[54:])), int(order.Uint16(head[56:]))
	} else {
		start, size, count = int64(order.Uint32(head[28:])), int(order.Uint16(head[42:])), int(order.Uint16(head[44:]))
	}
	table := make([]byte, size*count)
	if _, err := f.ReadAt(table, start); err != nil {
		return false, fmt.Errorf("read its program headers: %w", err)
	}
	for i := 0; i+4 <= len(table); i += size {
		if order.Uint32(table[i:]) == interp {
			return false, nil
		}
	}
	return true, nil
}

// askVersion takes the number from "qemu-arm version 7.2.22 (Debian …)".
func askVersion(path string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), versionLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask the emulator %s for its version: %w; is it a whole file, for this machine?", path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if _, rest, found := strings.Cut(line, " version "); found {
		if words := strings.Fields(rest); len(words) > 0 {
			return strings.TrimSuffix(words[0], ","), nil
		}
	}
	return "", fmt.Errorf("ask the emulator %s for its version: it says %q, which is not QEMU's answer", path, line)
}
