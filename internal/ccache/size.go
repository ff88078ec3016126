package ccache

import (
	"bufio"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ownSize is the limit of a folder that caisson made, and of one that nobody set a limit for: more than any ccache's
// own default (5 GB, since 4.10 5 GiB), so that it only enlarges.
const ownSize = "10G"

// maxSize decides CCACHE_MAXSIZE, which in a container beats every configuration:
//   - $CCACHE_MAXSIZE wins;
//   - the limit in a found folder's own configuration stays, whatever it is: its owner chose it;
//   - a limit that this machine sets for all caches, which a container does not see, is kept where it is larger.
func maxSize(o Options, c Cache) string {
	if size := o.Getenv("CCACHE_MAXSIZE"); size != "" {
		return size
	}
	if c.Made {
		return ownSize
	}
	own := filepath.Join(c.Dir, "ccache.conf")
	if size, ok := configured(own); ok {
		if _, ok := parseSize(size); !ok {
			return "" // the ccache in the container reads that file too and knows better
		}
		return size
	}
	elsewhere := o.Getenv("CCACHE_CONFIGPATH")
	if elsewhere == "" {
		elsewhere = o.systemConfig
	}
	if size, ok := configured(elsewhere); ok {
		if n, ok := parseSize(size); ok && n > mustSize(ownSize) {
			return size
		}
	}
	return ownSize
}

// configured reads max_size from a configuration file of ccache: lines of "key = value", the last one counts.
func configured(path string) (size string, ok bool) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", false
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", false
	}
	lines := bufio.NewScanner(io.LimitReader(f, 1<<20))
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), "=")
		if found && strings.TrimSpace(key) == "max_size" {
			size, ok = strings.TrimSpace(value), true
		}
	}
	return size, ok
}

// sizeForm is ccache's: a number and k, M, G or T for powers of 1000, Ki, Mi, Gi or Ti for powers of 1024; G when
// there is none.
var sizeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(?:([kKMGT])(i?))?B?$`) })

// parseSize is a size in bytes; 0 is no limit, which is larger than any.
func parseSize(size string) (bytes float64, ok bool) {
	m := sizeForm().FindStringSubmatch(size)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, false
	}
	if n == 0 {
		return math.Inf(1), true
	}
	power := 3
	if m[2] != "" {
		power = strings.Index("kMGT", strings.Replace(m[2], "K", "k", 1)) + 1
	}
	base := 1000.0
	if m[3] != "" {
		base = 1024
	}
	return n * math.Pow(base, float64(power)), true
}

func mustSize(size string) float64 {
	n, ok := parseSize(size)
	if !ok {
		panic("no size: " + size)
	}
	return n
}
