package emulator

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// stamp is what tells a changed file from an unchanged one.
type stamp struct {
	Device, Inode uint64
	Size          int64
	Mtime, Ctime  int64 // nanoseconds
}

func stampOf(info fs.FileInfo) stamp {
	st := info.Sys().(*syscall.Stat_t)
	return stamp{uint64(st.Dev), st.Ino, st.Size, time.Unix(st.Mtim.Unix()).UnixNano(), time.Unix(st.Ctim.Unix()).UnixNano()}
}

// settled: a later write leaves another stamp, even where stamps are whole seconds.
func (s stamp) settled() bool { return s.Ctime < time.Now().Add(-2*time.Second).UnixNano() }

// known is what is remembered of an emulator's file.
type known struct {
	Path    string
	Stamp   stamp
	Version string
	Hash    string
}

func knownPath(cacheDir, path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(cacheDir, hex.EncodeToString(sum[:])+".json")
}

// readKnown reads what is remembered of a file with this stamp. What cannot be read is not known.
func readKnown(cacheDir, path string, now stamp) (known, bool) {
	data, err := os.ReadFile(knownPath(cacheDir, path))
	if err != nil {
		return known{}, false
	}
	var k known
	err = json.Unmarshal(data, &k)
	return k, err == nil && k.Path == path && k.Stamp == now && k.Version != "" && k.Hash != ""
}

// writeKnown remembers, in one step. Where it cannot, the next caller looks at the file again.
func writeKnown(cacheDir, path string, k known) {
	if !k.Stamp.settled() || os.MkdirAll(cacheDir, 0o700) != nil {
		return
	}
	k.Path = path
	data, err := json.Marshal(k)
	if err != nil {
		return
	}
	f, err := os.CreateTemp(cacheDir, ".new-*")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err != nil || closeErr != nil || os.Rename(f.Name(), knownPath(cacheDir, path)) != nil {
		os.Remove(f.Name())
	}
}
