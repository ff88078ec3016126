package emulator

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// header is the head of a program as a linker writes it.
func header(t *testing.T, machine elf.Machine, class elf.Class, data elf.Data, kind elf.Type, flags uint32, abi byte) []byte {
	t.Helper()
	ident := [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(class), byte(data), byte(elf.EV_CURRENT), abi, abi}
	var order binary.ByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	var h any = elf.Header64{Ident: ident, Type: uint16(kind), Machine: uint16(machine), Version: 1, Entry: 0x8000, Flags: flags}
	if class == elf.ELFCLASS32 {
		h = elf.Header32{Ident: ident, Type: uint16(kind), Machine: uint16(machine), Version: 1, Entry: 0x8000, Flags: flags}
	}
	var b bytes.Buffer
	if err := binary.Write(&b, order, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// matching returns the architectures whose rule takes a head.
func matching(head []byte) string {
	var all string
	for _, f := range formats {
		magic, mask := f.rule()
		same := len(head) >= len(magic)
		for i := 0; same && i < len(magic); i++ {
			same = head[i]&mask[i] == magic[i]&mask[i]
		}
		if same {
			all += f.arch + " "
		}
	}
	return all
}

func TestARuleTakesTheProgramsOfItsArchitectureAndNoOther(t *testing.T) {
	const lsb, msb, c32, c64 = elf.ELFDATA2LSB, elf.ELFDATA2MSB, elf.ELFCLASS32, elf.ELFCLASS64
	for _, c := range []struct {
		name    string
		machine elf.Machine
		class   elf.Class
		data    elf.Data
		flags   uint32
		want    string
	}{
		{"386", elf.EM_386, c32, lsb, 0, "386 "},
		{"amd64", elf.EM_X86_64, c64, lsb, 0, "amd64 "},
		{"x32", elf.EM_X86_64, c32, lsb, 0, ""},
		{"armhf", elf.EM_ARM, c32, lsb, 0x5000400, "arm "},
		{"armel", elf.EM_ARM, c32, lsb, 0x5000200, "arm "},
		{"armeb", elf.EM_ARM, c32, msb, 0x5000000, ""},
		{"arm64", elf.EM_AARCH64, c64, lsb, 0, "arm64 "},
		{"arm64 of big endian", elf.EM_AARCH64, c64, msb, 0, ""},
		{"loong64", elf.EM_LOONGARCH, c64, lsb, 0x43, "loong64 "},
		{"mips64le", elf.EM_MIPS, c64, lsb, 0x80000007, "mips64le "},
		{"mipsle", elf.EM_MIPS, c32, lsb, 0x70001007, "mipsle "},
		{"mips n32 of little endian", elf.EM_MIPS, c32, lsb, 0x80000027, ""},
		{"mips of big endian", elf.EM_MIPS, c32, msb, 0x70001007, ""},
		{"ppc64le", elf.EM_PPC64, c64, lsb, 2, "ppc64le "},
		{"ppc64", elf.EM_PPC64, c64, msb, 1, ""},
		{"riscv64", elf.EM_RISCV, c64, lsb, 5, "riscv64 "},
		{"riscv32", elf.EM_RISCV, c32, lsb, 5, ""},
		{"s390x", elf.EM_S390, c64, msb, 0, "s390x "},
		{"s390", elf.EM_S390, c32, msb, 0, ""},
	} {
		for _, kind := range []elf.Type{elf.ET_EXEC, elf.ET_DYN} {
			for _, abi := range []byte{0, 3} { // none, GNU
				if got := matching(header(t, c.machine, c.class, c.data, kind, c.flags, abi)); got != c.want {
					t.Errorf("%s, %v, ABI %d: taken by %q, want %q", c.name, kind, abi, got, c.want)
				}
			}
		}
		for _, kind := range []elf.Type{elf.ET_NONE, elf.ET_REL, elf.ET_CORE, 0xfe02} {
			if got := matching(header(t, c.machine, c.class, c.data, kind, c.flags, 0)); got != "" {
				t.Errorf("%s, %v: taken by %q", c.name, kind, got)
			}
		}
	}
	if got := matching([]byte("#!/bin/sh\necho this is no program of any processor\n")); got != "" {
		t.Errorf("a script is taken by %q", got)
	}
}
