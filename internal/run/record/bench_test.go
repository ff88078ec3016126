package record

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkCreate(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		r, err := Create(dir, Info{Project: "p", Command: []string{"make"}})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		mustFinish(b, r, End{How: Exited})
		b.StartTimer()
	}
}

func BenchmarkFinish(b *testing.B) {
	dir := b.TempDir()
	for b.Loop() {
		b.StopTimer()
		r := mustCreate(b, dir, Info{Project: "p", Command: []string{"make"}})
		b.StartTimer()
		mustFinish(b, r, End{How: Exited})
	}
}

// many is a runs folder with as many records as are kept.
func many(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for i := range KeepRecords {
		r := mustCreate(b, dir, Info{Start: time.Now().Add(-time.Duration(i) * time.Minute), Command: []string{"make"}})
		fmt.Fprintln(r.Log(), i)
		mustFinish(b, r, End{How: Exited})
	}
	return dir
}

func BenchmarkAmong200(b *testing.B) {
	dir := many(b)
	for name, do := range map[string]func() error{
		"Dead":  func() error { _, err := Dead(dir); return err },
		"Live":  func() error { _, err := Live(dir, "/tree"); return err },
		"List":  func() error { _, err := List(dir); return err },
		"Prune": func() error { _, err := Prune(dir, KeepRecords, KeepAge, KeepBytes); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLogLine(b *testing.B) {
	r := mustCreate(b, b.TempDir(), Info{})
	line := []byte("gcc -O2 -Wall -c -o build/lib/common/entropy_common.o lib/common/entropy_common.c\n")
	for b.Loop() {
		r.Log().Write(line)
	}
}
