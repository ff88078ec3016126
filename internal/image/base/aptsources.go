package base

import (
	"bufio"
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// distro is a distribution that mmdebstrap can make.
type distro struct {
	id         string // ID in os-release(5)
	keyring    string // of its archive, on the host and in the image
	keyPackage string // what brings the keyring to a Debian host
	components string
}

// distros is read only.
var distros = map[string]distro{
	"debian": {"debian", "/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring", "main"},
	"ubuntu": {"ubuntu", "/usr/share/keyrings/ubuntu-archive-keyring.gpg", "ubuntu-keyring", "main universe"},
}

// aptSource is one line or stanza of apt's sources (sources.list(5)).
type aptSource struct {
	own        bool // from a file that the distribution itself installs
	types      []string
	uris       []string
	suites     []string
	components []string
	signedBy   string
}

// hostMirrors returns sources.list lines for a suite of a distribution that go to the mirrors of the host, or none where
// the host is not of that distribution or names no mirror of its archive. Updates and security come along where the host
// has them of any suite. https tells that a line needs certificates.
func hostMirrors(root string, d distro, suite string) (lines []string, https bool) {
	if hostID(root) != d.id {
		return nil, false
	}
	mirrors := map[string]string{} // kind to URI
	exact := map[string]string{}   // kind to the name of that suite, where the URI is of the wanted release itself
	for _, s := range readAptSources(root) {
		uri, ok := s.archiveURI(d)
		if !ok {
			continue
		}
		for _, name := range s.suites {
			release, kind := splitSuite(name)
			switch {
			case kind == "other" || exact[kind] != "":
			case release == suite:
				mirrors[kind], exact[kind] = uri, name
			case mirrors[kind] == "":
				mirrors[kind] = uri
			}
		}
	}
	if mirrors[""] == "" {
		return nil, false
	}
	for _, kind := range []string{"", "-updates", "-security"} {
		uri := mirrors[kind]
		if uri == "" || kind != "" && isRolling(suite) {
			continue
		}
		option := ""
		if exists(root, d.keyring) {
			option = "[signed-by=" + d.keyring + "] "
		}
		name := cmp.Or(exact[kind], suite+kind)
		lines = append(lines, "deb "+option+uri+" "+name+" "+d.components)
		https = https || strings.HasPrefix(uri, "https:")
	}
	return lines, https
}

// isRolling: these suites have neither updates nor security beside them.
func isRolling(suite string) bool {
	return slices.Contains([]string{"sid", "unstable", "experimental", "rc-buggy"}, suite)
}

// splitSuite parts a suite into the release and what of it: "", "-updates", "-security", or "other" (backports and the
// like).
func splitSuite(suite string) (release, kind string) {
	suite = strings.TrimSuffix(suite, "/")
	if release, found := strings.CutSuffix(suite, "/updates"); found { // Debian's security until buster
		return release, "-security"
	}
	i := strings.IndexByte(suite, '-')
	if i < 0 {
		return suite, ""
	}
	if kind = suite[i:]; kind != "-updates" && kind != "-security" {
		kind = "other"
	}
	return suite[:i], kind
}

// archiveURI is where an entry gets the distribution's own archive from. An entry of somebody else's is not ok, even if
// it calls its suites and components as the distribution does: what counts is the key, and without one, the file that
// the entry stands in together with a URI that names the distribution.
func (s *aptSource) archiveURI(d distro) (string, bool) {
	if !slices.Contains(s.types, "deb") || !slices.Contains(s.components, "main") {
		return "", false
	}
	for _, uri := range s.uris {
		if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") {
			continue // cdrom:, file: and the like are not there in a container
		}
		switch {
		case strings.HasPrefix(filepath.Base(s.signedBy), d.id+"-archive-"):
			return uri, true
		case s.signedBy == "" && s.own && strings.Contains(uri, d.id):
			return uri, true
		}
	}
	return "", false
}

func hostID(root string) string {
	data, err := os.ReadFile(filepath.Join(root, "etc/os-release"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		if id, found := strings.CutPrefix(strings.TrimSpace(line), "ID="); found {
			return strings.Trim(id, `"'`)
		}
	}
	return ""
}

func exists(root, path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

// readAptSources reads what it can. A file that cannot be read has no sources: apt complains about it, not we.
func readAptSources(root string) []aptSource {
	dir := filepath.Join(root, "etc/apt")
	files := []string{filepath.Join(dir, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, _ := filepath.Glob(filepath.Join(globEscape(dir), "sources.list.d", pattern))
		files = append(files, more...)
	}
	var all []aptSource
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		parse := parseOneLine
		if strings.HasSuffix(file, ".sources") {
			parse = parseDeb822
		}
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".list"), ".sources")
		for _, s := range parse(string(data)) {
			s.own = slices.Contains([]string{"sources", "debian", "ubuntu"}, name)
			all = append(all, s)
		}
	}
	return all
}

// parseOneLine reads "deb [option=value …] URI SUITE COMPONENT…".
func parseOneLine(text string) []aptSource {
	var all []aptSource
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		s := aptSource{types: []string{kind}}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			options, after, _ := strings.Cut(rest[1:], "]")
			rest = after
			for _, option := range strings.Fields(options) {
				if value, found := strings.CutPrefix(option, "signed-by="); found {
					s.signedBy = value
				}
			}
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 {
			continue
		}
		s.uris, s.suites, s.components = fields[:1], fields[1:2], fields[2:]
		all = append(all, s)
	}
	return all
}

// parseDeb822 reads stanzas of "Field: value", continued by lines that begin with a space.
func parseDeb822(text string) []aptSource {
	var all []aptSource
	fields := map[string]string{}
	last := ""
	flush := func() {
		if len(fields) > 0 && fields["enabled"] != "no" {
			all = append(all, aptSource{
				types:      strings.Fields(fields["types"]),
				uris:       strings.Fields(fields["uris"]),
				suites:     strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]),
				signedBy:   strings.TrimSpace(fields["signed-by"]),
			})
		}
		fields, last = map[string]string{}, ""
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += "\n" + line
		default:
			name, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	flush()
	return all
}
