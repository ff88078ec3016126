package record

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
)

// An id is 13 characters of Crockford's base 32 (no i, l, o, u; in the order of ASCII): nine for the milliseconds
// since 1970, so that ids sort by time until the year 3084, and four at random, which tell apart what starts in the
// same millisecond in different state folders. People know a run best by its end, which differs between runs of the
// same day: Find takes either end.
const (
	alphabet   = "0123456789abcdefghjkmnpqrstvwxyz"
	timeChars  = 9
	randChars  = 4
	idChars    = timeChars + randChars
	shortChars = 4 // as many characters of an id's end are enough to name it
)

var idForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9a-hjkmnp-tv-z]{13}$`) })

func newID(now time.Time) string {
	var random [4]byte
	rand.Read(random[:]) // documented never to fail
	return base32(uint64(now.UnixMilli()), timeChars) + base32(uint64(binary.LittleEndian.Uint32(random[:])), randChars)
}

// base32 writes the low 5*chars bits of n.
func base32(n uint64, chars int) string {
	out := make([]byte, chars)
	for i := chars - 1; i >= 0; i-- {
		out[i] = alphabet[n&31]
		n >>= 5
	}
	return string(out)
}

// isID says whether name can be the name of a record's folder.
func isID(name string) bool { return idForm().MatchString(name) }

// idTime is when the run of that id started.
func idTime(id string) time.Time {
	var ms int64
	for _, c := range id[:timeChars] {
		ms = ms<<5 | int64(strings.IndexRune(alphabet, c))
	}
	return time.UnixMilli(ms)
}

// typedID is what a person typed for an id or a part of one, with the confusions undone that the alphabet allows for.
func typedID(typed string) (string, error) {
	id := strings.NewReplacer("o", "0", "i", "1", "l", "1").Replace(strings.ToLower(strings.TrimSpace(typed)))
	if id == "" || len(id) > idChars || strings.Trim(id, alphabet) != "" {
		return "", fmt.Errorf("%q is no run id: an id is %d letters and digits, and its first or its last %d or more "+
			"are enough (caisson ps shows the live ones)", typed, idChars, shortChars)
	}
	return id, nil
}

// distance counts in how many places a and b differ when a is laid at the start or the end of b, whichever is less.
func distance(a, b string) int {
	count := func(x, y string) (n int) {
		for i := range len(x) {
			if x[i] != y[i] {
				n++
			}
		}
		return n
	}
	if len(a) > len(b) {
		return len(a)
	}
	return min(count(a, b[:len(a)]), count(a, b[len(b)-len(a):]))
}
