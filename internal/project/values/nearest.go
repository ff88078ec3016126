// Package values is what people may write for a size, a limit, a network or a secret, on the command line and in
// caisson.yaml alike, and which known word an unknown one may stand for.
package values

import (
	"slices"
	"strings"
)

// Nearest returns those of the words (at most three, the nearest first) that someone who wrote word may have meant: few
// edits away, or one contains the other.
func Nearest(word string, among []string) []string {
	const most = 3
	type scored struct {
		word     string
		distance int
	}
	if word == "" || len(word) > 100 {
		return nil // too little or too much to compare
	}
	lower := strings.ToLower(word)
	allowed := (len(lower) + 2) / 3
	var near []scored
	for _, candidate := range among {
		c := strings.ToLower(candidate)
		d := edits(lower, c)
		if d > allowed && (len(lower) > 1 && strings.Contains(c, lower) || len(c) > 1 && strings.Contains(lower, c)) {
			d = allowed
		}
		if d <= allowed {
			near = append(near, scored{candidate, d})
		}
	}
	slices.SortStableFunc(near, func(a, b scored) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.word, b.word)
	})
	var words []string
	for _, s := range near[:min(len(near), most)] {
		words = append(words, s.word)
	}
	return words
}

// edits is the number of inserted, removed, changed and swapped neighbouring bytes that make a of b.
func edits(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
