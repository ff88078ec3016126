package ccache

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Stats counts the calls of ccache in one run, as ccache itself classifies them.
type Stats struct {
	Hits             int // DirectHits + PreprocessedHits
	DirectHits       int // the source and its headers were known
	PreprocessedHits int // the preprocessed source was known
	Misses           int
	Uncacheable      int // linking, preprocessing, failed compilations …
	Errors           int // of ccache itself: a compiler or a file that it could not use
}

// Used says whether the run called ccache at all.
func (s Stats) Used() bool { return s.Hits+s.Misses+s.Uncacheable+s.Errors > 0 }

// String is one line for people.
func (s Stats) String() string {
	if !s.Used() {
		return "ccache: not used"
	}
	text := "ccache: nothing cacheable in " + count(s.Uncacheable+s.Errors, "call", "calls")
	if s.Hits+s.Misses > 0 {
		text = fmt.Sprintf("ccache: %s, %s (%s %%)", count(s.Hits, "hit", "hits"), count(s.Misses, "miss", "misses"), s.rate())
	}
	if s.Errors > 0 {
		text += ", " + count(s.Errors, "error", "errors")
	}
	return text
}

// rate in per cent; only a run without a miss has 100.0.
func (s Stats) rate() string {
	permille := (1000*s.Hits + (s.Hits+s.Misses)/2) / (s.Hits + s.Misses)
	if permille == 1000 && s.Misses > 0 {
		permille = 999
	}
	if permille == 0 && s.Hits > 0 {
		permille = 1
	}
	return fmt.Sprintf("%d.%d", permille/10, permille%10)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// maxStats bounds how much of a file is read, in bytes: a run can write what it likes to it. A compilation has some
// 300 bytes in a stats log and some 10,000 in a debug log.
const maxStats = 1 << 30

// ReadStats counts the results in a stats log of ccache (CCACHE_STATSLOG) or in its debug log (CCACHE_LOGFILE). What
// it does not know is skipped. The run could write to the file: it is opened without following links, and anything
// but a regular file is an error.
func ReadStats(path string) (Stats, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Stats{}, fmt.Errorf("read the statistics of ccache: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	var s Stats
	if err == nil {
		s, err = parseStats(io.LimitReader(f, maxStats))
	}
	if err != nil {
		return Stats{}, fmt.Errorf("read the statistics of ccache in %s: %w", path, err)
	}
	return s, nil
}

func parseStats(r io.Reader) (Stats, error) {
	var s Stats
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) { // a long command in a debug log: no result
			_, err = lines.ReadSlice('\n')
		}
		if !long {
			s.add(result(strings.TrimSuffix(string(line), "\n")))
		}
		if errors.Is(err, io.EOF) {
			s.Hits = s.DirectHits + s.PreprocessedHits
			return s, nil
		}
		if err != nil {
			return Stats{}, err
		}
	}
}

// result is the name of a result in a line: all of a stats log's line, and in a debug log what follows
// "[TIME PID] Result: ". Words are joined by "_", as old versions write "cache hit (direct)".
func result(line string) string {
	if strings.HasPrefix(line, "[") {
		_, text, _ := strings.Cut(line, "] ")
		name, ok := strings.CutPrefix(text, "Result: ")
		if !ok {
			return ""
		}
		return strings.ReplaceAll(name, " ", "_")
	}
	return line
}

func (s *Stats) add(result string) {
	switch {
	case result == "direct_cache_hit", result == "cache_hit_(direct)":
		s.DirectHits++
	case result == "preprocessed_cache_hit", result == "cache_hit_(preprocessed)":
		s.PreprocessedHits++
	case result == "cache_miss":
		s.Misses++
	case uncacheable[result]:
		s.Uncacheable++
	case failures[result]:
		s.Errors++
	}
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

// The classes of ccache's manual ("Cache statistics"), with the names of versions before 4.4 where they differ.
// "disabled" has no place: a ccache that the person switched off is not used.
var (
	uncacheable = set("autoconf_test", "autoconf_compile/link", "bad_compiler_arguments", "called_for_link",
		"called_for_preprocessing", "compile_failed", "compiler_produced_empty_output", "compiler_produced_no_output",
		"compiler_produced_stdout", "could_not_use_modules", "can't_use_modules", "could_not_use_precompiled_header",
		"can't_use_precompiled_header", "multiple_source_files", "no_input_file", "output_to_stdout",
		"preprocessor_error", "recache", "unsupported_code_directive", "unsupported_compiler_option",
		"unsupported_environment_variable", "unsupported_source_encoding", "unsupported_source_language")
	failures = set("bad_input_file", "bad_output_file", "could_not_write_to_output_file", "compiler_check_failed",
		"could_not_find_compiler", "couldn't_find_the_compiler", "error_hashing_extra_file", "internal_error",
		"ccache_internal_error", "missing_cache_file", "cache_file_missing", "modified_input_file")
)
