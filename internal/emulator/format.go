package emulator

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// format is how the ELF header tells the programs of an architecture. Everything else in it is left open: the system's
// ABI, its version, and whether the program is position independent. (Package debug/elf knows these numbers too, but
// brings decompressors into a program that has to start fast.)
type format struct {
	arch    string // as OCI names it
	qemu    string // as QEMU does: qemu-arm
	machine uint16 // e_machine
	class   byte   // EI_CLASS
	data    byte   // EI_DATA
	without uint32 // bits of e_flags that are not set
}

// Values of the ELF header (elf.h).
const (
	elfMagic   = "\x7fELF"
	class32    = 1
	class64    = 2
	little     = 1
	big        = 2
	elfVersion = 1
	typeExec   = 2    // e_type; of a position independent program it is 3
	mipsN32    = 0x20 // EF_MIPS_ABI2: 32-bit pointers on a 64-bit MIPS; otherwise such a program looks like mipsle's
)

// Offsets in bytes into the ELF header.
const (
	classAt   = 4
	dataAt    = 5
	versionAt = 6
	typeAt    = 16 // two bytes
	machineAt = 18 // two bytes
	flagsAt32 = 36 // four bytes, where pointers have 32 bits
	flagsAt64 = 48
)

// formats are those of the architectures that Debian builds.
var formats = []format{
	{"386", "i386", 3, class32, little, 0},
	{"amd64", "x86_64", 62, class64, little, 0},
	{"arm", "arm", 40, class32, little, 0},
	{"arm64", "aarch64", 183, class64, little, 0},
	{"loong64", "loongarch64", 258, class64, little, 0},
	{"mips64le", "mips64el", 8, class64, little, 0},
	{"mipsle", "mipsel", 8, class32, little, mipsN32},
	{"ppc64le", "ppc64le", 21, class64, little, 0},
	{"riscv64", "riscv64", 243, class64, little, 0},
	{"s390x", "s390x", 22, class64, big, 0},
}

func formatOf(arch string) (format, error) {
	var known []string
	for _, f := range formats {
		if f.arch == arch {
			return f, nil
		}
		known = append(known, f.arch)
	}
	return format{}, fmt.Errorf("the architecture %q is not known; there are %s",
		arch, strings.Join(known, ", "))
}

// rule returns what the head of a program is compared with: it is the format's if head&mask == magic.
func (f format) rule() (magic, mask []byte) {
	size, flagsAt := machineAt+2, flagsAt32
	if f.class == class64 {
		flagsAt = flagsAt64
	}
	if f.without != 0 {
		size = flagsAt + 4
	}
	magic, mask = make([]byte, size), make([]byte, size)
	copy(magic, elfMagic)
	magic[classAt], magic[dataAt], magic[versionAt] = f.class, f.data, elfVersion
	for i := range versionAt + 1 {
		mask[i] = 0xff
	}
	order := byteOrder(f.data)
	order.PutUint16(magic[typeAt:], typeExec)
	order.PutUint16(mask[typeAt:], 0xfffe) // 2 and 3
	order.PutUint16(magic[machineAt:], f.machine)
	order.PutUint16(mask[machineAt:], 0xffff)
	if f.without != 0 {
		order.PutUint32(mask[flagsAt:], f.without)
	}
	return magic, mask
}

func byteOrder(data byte) binary.ByteOrder {
	if data == big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}
