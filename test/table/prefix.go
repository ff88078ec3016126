package main

import (
	"bytes"
	"io"
	"sync"
)

// prefixed writes whole lines, each with a prefix. Several write to one w under one mu.
type prefixed struct {
	w      io.Writer
	mu     *sync.Mutex
	prefix string
	rest   []byte // a line that is not complete yet
}

func (p *prefixed) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	end := bytes.LastIndexByte(p.rest, '\n') + 1
	var lines []byte
	for line := range bytes.Lines(p.rest[:end]) {
		lines = append(append(lines, p.prefix...), line...)
	}
	p.rest = p.rest[end:]
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.w.Write(lines); err != nil {
		return 0, err
	}
	return len(b), nil
}
