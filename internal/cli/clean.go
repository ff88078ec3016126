package cli

import (
	"fmt"
	"io"
	"os"

	"caisson/internal/run/record"
	"caisson/internal/term"
)

const cleanUsage = `usage: caisson clean [--images | --all]

Removes what dead clients left, records of old runs, and what was moved aside because it was damaged.
  --images   all images that no run uses now, and the build cache, too
  --all      everything in the store: bases and records of runs that ended, too
Example: caisson clean
`

func clean(s *session, words []string) error {
	if s.help {
		_, err := io.WriteString(os.Stdout, cleanUsage)
		return err
	}
	var images, all bool
	for _, w := range words {
		switch w {
		case "--images":
			images = true
		case "--all":
			images, all = true, true
		default:
			return &UsageError{Reason: fmt.Sprintf("clean does not know %q", w), Hint: "caisson clean [--images | --all]"}
		}
	}
	e, err := s.openEngine()
	if err != nil {
		return err
	}
	defer e.Close()
	left, err := s.sweep(e)
	if err != nil {
		return err
	}
	for _, l := range left {
		s.term.Note("removed %s %s of a dead client", l.Kind, l.Name)
	}
	keep := record.KeepRecords
	if all {
		keep = 0
	}
	n, err := record.Prune(stateDir(e.Store()), keep, record.KeepAge, record.KeepBytes)
	if err != nil {
		return err
	}
	s.term.Note("removed %d records of runs", n)
	aside, err := e.Store().RemoveDamaged()
	if err != nil {
		return err
	}
	if aside > 0 {
		s.term.Note("removed %d damaged things that were moved aside", aside)
	}
	if !images {
		return nil
	}
	removed, freed, err := e.RemoveImages(s.in.Context)
	if err != nil {
		return err
	}
	s.term.Note("removed %d images and %s of build cache", removed, term.Bytes(freed))
	if all {
		return e.RemoveBases(s.in.Context)
	}
	return nil
}
