package image

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// A file counts as settled once its time stamps are older than the start of the walk by a margin: a later write then
// cannot leave the same stamps. Files that are not settled are read again next time.
const (
	localMargin  = 100 * time.Millisecond // some ticks of the slowest kernel clock
	coarseMargin = 2 * time.Second        // stamps in whole seconds: old file systems and FAT
	remoteMargin = 10 * time.Second       // the clock of a server
)

// fileStat is what tells a changed file from an unchanged one.
type fileStat struct {
	mode         uint32 // type and permissions as the kernel has them
	size         int64
	mtime, ctime int64 // nanoseconds
	ino          uint64
}

func (s *fileStat) kind() uint32 { return s.mode & unix.S_IFMT }

// settled says whether a write after start would change the stamps.
func (s *fileStat) settled(start time.Time, margin time.Duration) bool {
	if s.kind() == unix.S_IFDIR {
		return true // of folders only the mode counts, and a walk always reads it
	}
	if s.ctime%int64(time.Second) == 0 {
		margin = max(margin, coarseMargin)
	}
	limit := start.Add(-margin).UnixNano()
	return s.mtime < limit && s.ctime < limit
}

// statSize is the encoded size of a fileStat.
const statSize = 4 + 4*8

func (s *fileStat) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, s.mode)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.size))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.mtime))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.ctime))
	return binary.LittleEndian.AppendUint64(b, s.ino)
}

// decodeStat reads what append wrote; b has at least statSize bytes.
func decodeStat(b []byte) fileStat {
	return fileStat{
		mode:  binary.LittleEndian.Uint32(b),
		size:  int64(binary.LittleEndian.Uint64(b[4:])),
		mtime: int64(binary.LittleEndian.Uint64(b[12:])),
		ctime: int64(binary.LittleEndian.Uint64(b[20:])),
		ino:   binary.LittleEndian.Uint64(b[28:]),
	}
}
