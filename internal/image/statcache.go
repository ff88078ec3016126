package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
)

// The stat cache is one file: a head of fixed size, whose last part is a digest over the rest of the head, then the
// table of files, whose digest is in the head. An unchanged context needs the head only.

// cacheHead is the summary of a scan.
type cacheHead struct {
	rules   [sha256.Size]byte // what selected the files
	tree    [sha256.Size]byte // over all stats that the walk saw
	content [sha256.Size]byte // the answer: digest over the files that count
	// complete: every file was settled, so that an equal tree means equal content.
	complete bool
}

const (
	cacheMagic    = "caisson context\n"
	cacheHeadSize = len(cacheMagic) + 4 + 4*sha256.Size + 1 + sha256.Size
)

func encodeCache(head cacheHead, files []contextFile) []byte {
	const perFile = 200
	data := make([]byte, cacheHeadSize, cacheHeadSize+len(files)*perFile)
	for i := range files {
		f := &files[i]
		data = binary.LittleEndian.AppendUint32(data, uint32(len(f.path)))
		data = append(data, f.path...)
		data = append(data, f.sum[:]...)
		data = append(data, flag(f.settled))
		data = f.stat.append(data)
	}
	table := sha256.Sum256(data[cacheHeadSize:])
	b := append(data[:0], cacheMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	for _, sum := range [][sha256.Size]byte{head.rules, head.tree, head.content, table} {
		b = append(b, sum[:]...)
	}
	b = append(b, flag(head.complete))
	own := sha256.Sum256(b)
	_ = append(b, own[:]...) // ends where the table begins
	return data
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// decodeHead returns the head and the digest that the table should have.
func decodeHead(data []byte) (head cacheHead, table [sha256.Size]byte, ok bool) {
	if len(data) < cacheHeadSize || string(data[:len(cacheMagic)]) != cacheMagic {
		return head, table, false
	}
	own := sha256.Sum256(data[:cacheHeadSize-sha256.Size])
	if !bytes.Equal(own[:], data[cacheHeadSize-sha256.Size:cacheHeadSize]) {
		return head, table, false
	}
	b := data[len(cacheMagic):]
	if binary.LittleEndian.Uint32(b) != formatVersion {
		return head, table, false
	}
	b = b[4:]
	for _, sum := range []*[sha256.Size]byte{&head.rules, &head.tree, &head.content, &table} {
		b = b[copy(sum[:], b):]
	}
	head.complete = b[0] == 1
	return head, table, true
}

// readCacheHead reads the head alone. A file that cannot be used counts as none.
func readCacheHead(path string) (cacheHead, bool) {
	f, err := os.Open(path)
	if err != nil {
		return cacheHead{}, false
	}
	defer f.Close()
	data := make([]byte, cacheHeadSize)
	if _, err := io.ReadFull(f, data); err != nil {
		return cacheHead{}, false
	}
	head, _, ok := decodeHead(data)
	return head, ok
}

// readCache reads head and table. A file that cannot be used counts as none.
func readCache(path string) (cacheHead, []contextFile, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return cacheHead{}, nil, false
	}
	head, table, ok := decodeHead(data)
	if !ok || sha256.Sum256(data[cacheHeadSize:]) != table {
		return cacheHead{}, nil, false
	}
	files := []contextFile{}
	for b := data[cacheHeadSize:]; len(b) > 0; {
		const fixed = sha256.Size + 1 + statSize
		if len(b) < 4 || len(b)-4-fixed < int(binary.LittleEndian.Uint32(b)) {
			return cacheHead{}, nil, false
		}
		size := int(binary.LittleEndian.Uint32(b))
		f := contextFile{path: string(b[4 : 4+size])}
		b = b[4+size:]
		b = b[copy(f.sum[:], b):]
		f.settled = b[0] == 1
		f.stat = decodeStat(b[1:])
		files = append(files, f)
		b = b[1+statSize:]
	}
	return head, files, true
}
