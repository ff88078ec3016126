package initd

import (
	"io"
	"os"
	"strconv"
	"strings"
)

// helperDepth bounds a chain of interpreters; the kernel follows five.
const helperDepth = 5

// missingHelper says which file is missing when the kernel reports ENOENT for a file that exists: the interpreter of a
// script or the loader of a program, or one of theirs.
func missingHelper(file string) string {
	for range helperDepth {
		helper, what := helperOf(file)
		if helper == "" {
			break
		}
		if _, err := os.Stat(helper); err != nil {
			reason := "its " + what + " " + strconv.Quote(helper) + " is not in the image"
			if strings.HasSuffix(helper, "\r") {
				reason += " (the script has CR LF line ends)"
			}
			return reason
		}
		file = helper
	}
	return "a file that it needs to start is not in the image"
}

// helperOf returns the program that the kernel loads to execute file.
func helperOf(file string) (helper, what string) {
	f, err := os.Open(file)
	if err != nil {
		return "", ""
	}
	defer f.Close()
	head := make([]byte, 256) // the kernel reads as much of a #! line
	n, _ := io.ReadFull(f, head)
	if line, ok := strings.CutPrefix(string(head[:n]), "#!"); ok {
		line, _, _ = strings.Cut(line, "\n")
		line = strings.TrimLeft(line, " \t")
		if end := strings.IndexAny(line, " \t"); end >= 0 {
			line = line[:end]
		}
		return line, "interpreter"
	}
	return elfLoader(f), "loader"
}

// elfLoader reads the PT_INTERP entry of a little endian ELF file (elf(5)); debug/elf would make PID 1 half as big
// again.
func elfLoader(f io.ReaderAt) string {
	head := make([]byte, 64)
	if n, _ := f.ReadAt(head, 0); n < 52 || string(head[:4]) != "\x7fELF" || head[5] != 1 {
		return ""
	}
	wide := head[4] == 2
	table, size, count := little(head[28:32]), little(head[42:44]), little(head[44:46])
	if wide {
		table, size, count = little(head[32:40]), little(head[54:56]), little(head[56:58])
	}
	if size < 32 || size > 256 {
		return ""
	}
	entry := make([]byte, size)
	for i := range count {
		if _, err := f.ReadAt(entry, int64(table+i*size)); err != nil {
			return ""
		}
		if little(entry[:4]) != 3 { // PT_INTERP
			continue
		}
		at, length := little(entry[4:8]), little(entry[16:20])
		if wide {
			if size < 56 {
				return ""
			}
			at, length = little(entry[8:16]), little(entry[32:40])
		}
		if length == 0 || length > 4096 {
			return ""
		}
		name := make([]byte, length)
		if _, err := f.ReadAt(name, int64(at)); err != nil {
			return ""
		}
		return strings.TrimRight(string(name), "\x00")
	}
	return ""
}

// foreignFormat says what a file is that the kernel does not know how to execute.
func foreignFormat(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return "not a program"
	}
	defer f.Close()
	head := make([]byte, 20)
	n, _ := io.ReadFull(f, head)
	switch {
	case n == 0:
		return "the file is empty"
	case n == len(head) && string(head[:4]) == "\x7fELF":
		return "the program is damaged or for another processor (" + machine(little(head[18:20])) + ")"
	}
	return "neither a program nor a script with a #! line"
}

// machine names the e_machine values that build platforms have.
func machine(n uint64) string {
	switch n {
	case 3:
		return "i386"
	case 20, 21:
		return "powerpc"
	case 22:
		return "s390"
	case 40:
		return "arm"
	case 62:
		return "x86-64"
	case 183:
		return "aarch64"
	case 243:
		return "riscv"
	}
	return "ELF machine " + strconv.FormatUint(n, 10)
}

func little(b []byte) uint64 {
	var n uint64
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}
