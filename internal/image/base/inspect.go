package base

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxLooked bounds how many names an inspector keeps, whatever a tar holds.
const maxLooked = 100_000

// lookDepth is how many folders deep names are kept: "usr/local/bin/sh" is four.
const lookDepth = 4

// inspector sees the entries of a root file system pass by and finds its architecture and shell.
type inspector struct {
	files  map[string]machine // programs, by path without a leading slash; zero where it is no ELF file
	links  map[string]string  // symbolic links as they are; hard links from "/" on
	counts map[machine]int    // ELF files of a platform
}

// machine is what an ELF header tells of a platform, in the words of OCI.
type machine struct{ arch, variant string }

func newInspector() *inspector {
	return &inspector{files: map[string]machine{}, links: map[string]string{}, counts: map[machine]int{}}
}

// entry takes one entry of a tar; of content it reads the beginning.
func (in *inspector) entry(h *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	keep := strings.Count(name, "/") < lookDepth && len(in.files)+len(in.links) < maxLooked
	switch {
	case h.Typeflag == tar.TypeSymlink && keep:
		in.links[name] = h.Linkname
	case h.Typeflag == tar.TypeLink && keep:
		in.links[name] = "/" + h.Linkname
	case h.Typeflag == tar.TypeReg && h.Mode&0o111 != 0:
		head := make([]byte, elfHeader)
		n, err := io.ReadFull(content, head)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		p, isELF := elfPlatform(head[:n])
		if isELF {
			in.counts[p]++
		}
		if keep {
			in.files[name] = p
		}
	}
	return nil
}

// shell is the command of the image: bash where it is.
func (in *inspector) shell() string {
	if _, found := in.program("bin/bash"); found {
		return "/bin/bash"
	}
	return "/bin/sh"
}

// platform is that of /bin/sh, else that of most programs: a root file system may hold some of other platforms.
func (in *inspector) platform() (v1.Platform, bool) {
	best, _ := in.program("bin/sh")
	if best.arch == "" {
		best = in.mostCommon()
	}
	return v1.Platform{OS: "linux", Architecture: best.arch, Variant: best.variant}, best.arch != ""
}

func (in *inspector) mostCommon() (best machine) {
	for p, n := range in.counts {
		// The order of a map is none: equal counts are decided by name.
		if m := in.counts[best]; n > m || n == m && p.arch+p.variant < best.arch+best.variant {
			best = p
		}
	}
	return best
}

// program looks a path up as the kernel would, with the links of its folders (/bin may be usr/bin).
func (in *inspector) program(name string) (machine, bool) {
	for range 40 { // symbolic links in a path, as many as Linux follows
		if p, found := in.files[name]; found {
			return p, true
		}
		next, found := in.follow(name)
		if !found {
			break
		}
		name = next
	}
	return machine{}, false
}

// follow replaces the first link in a path by what it names.
func (in *inspector) follow(name string) (string, bool) {
	for end := 0; end < len(name); end++ {
		next := strings.IndexByte(name[end:], '/')
		if next < 0 {
			end = len(name)
		} else {
			end += next
		}
		target, found := in.links[name[:end]]
		if !found {
			continue
		}
		if !strings.HasPrefix(target, "/") {
			target = path.Join("/", path.Dir(name[:end]), target)
		}
		return strings.TrimPrefix(path.Join(target, name[end:]), "/"), true
	}
	return "", false
}

// elfHeader is the size in bytes of an ELF header of 64 bits, the larger one.
const elfHeader = 64

// Flags of the ELF header (ABI supplements of ARM and PowerPC).
const (
	armHardFloat = 0x400
	ppcABI       = 3
)

// elfPlatform reads the platform off the head of an ELF file. 32-bit ARM with hardware floating point is taken for v7,
// which is what Debian and Ubuntu build; the header does not tell it from v6.
func elfPlatform(head []byte) (machine, bool) {
	if len(head) < 52 || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return machine{}, false
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	little, wide := order == binary.LittleEndian, elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64
	flagsAt := 36
	if wide {
		flagsAt = 48
	}
	flags := order.Uint32(head[flagsAt:])
	var p machine
	switch m := elf.Machine(order.Uint16(head[18:])); {
	case m == elf.EM_X86_64 && wide:
		p.arch = "amd64"
	case m == elf.EM_386:
		p.arch = "386"
	case m == elf.EM_AARCH64 && little:
		p.arch = "arm64"
	case m == elf.EM_ARM && little && flags&armHardFloat != 0:
		p.arch, p.variant = "arm", "v7"
	case m == elf.EM_ARM && little:
		p.arch, p.variant = "arm", "v5"
	case m == elf.EM_RISCV && wide:
		p.arch = "riscv64"
	case m == elf.EM_PPC64 && little && flags&ppcABI != 1:
		p.arch = "ppc64le"
	case m == elf.EM_S390 && wide:
		p.arch = "s390x"
	case m == elf.EM_LOONGARCH && wide:
		p.arch = "loong64"
	case m == elf.EM_MIPS && wide && little:
		p.arch = "mips64le"
	case m == elf.EM_MIPS && little:
		p.arch = "mipsle"
	default:
		return machine{}, false
	}
	return p, true
}
