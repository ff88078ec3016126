package index

import (
	"fmt"
	"strings"
)

// The longest name and tag that a registry accepts (distribution's reference grammar).
const (
	maxName = 255
	maxTag  = 128
)

// Normalize returns the full form of an image reference as Docker reads it: "debian" is
// "docker.io/library/debian:latest". A reference with a digest gets no default tag. The grammar is that of the
// distribution project's package reference, whose regular expressions cost three milliseconds at every start.
func Normalize(ref string) (string, error) {
	rest, digest, pinned := strings.Cut(ref, "@")
	name, tag := cutTag(rest)
	switch {
	case rest == "":
		return "", fmt.Errorf("%q is no image reference: it has no name", ref)
	case isHex(name) && len(name) == 64:
		return "", fmt.Errorf("%q is no image reference: it is an image's id", ref)
	case pinned && !validDigest(digest):
		return "", fmt.Errorf("%q is no image reference: a digest is sha256: and 64 hexadecimal digits", ref)
	case strings.HasSuffix(rest, ":") || tag != "" && !validTag(tag):
		return "", fmt.Errorf("%q is no image reference: a tag is up to %d letters, digits, '_', '.', '-'", ref, maxTag)
	}
	domain, path := splitDomain(name)
	switch {
	case !validDomain(domain):
		return "", fmt.Errorf("%q is no image reference: %q is no registry's host name", ref, domain)
	case !validPath(path) || len(domain)+1+len(path) > maxName:
		return "", fmt.Errorf("%q is no image reference: a name is lower-case letters and digits, parted by '/', '.', '_' or '-'", ref)
	}
	full := domain + "/" + path
	if tag == "" && !pinned {
		tag = "latest"
	}
	if tag != "" {
		full += ":" + tag
	}
	if pinned {
		full += "@" + digest
	}
	return full, nil
}

// cutTag parts name and tag at a colon behind the last slash; one before it belongs to a registry's port.
func cutTag(s string) (name, tag string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], '/') >= 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// splitDomain parts a registry's host from the path, and fills in Docker Hub and its folder of official images.
func splitDomain(name string) (domain, path string) {
	first, rest, found := strings.Cut(name, "/")
	if !found || !strings.ContainsAny(first, ".:") && first != "localhost" && strings.ToLower(first) == first {
		domain, path = "docker.io", name
	} else {
		domain, path = first, rest
	}
	if domain == "index.docker.io" {
		domain = "docker.io"
	}
	if domain == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return domain, path
}

func validDomain(s string) bool {
	host, port := s, ""
	if strings.HasPrefix(s, "[") { // an IPv6 address
		end := strings.IndexByte(s, ']')
		if end < 2 {
			return false
		}
		host, port = s[1:end], s[end+1:]
		if strings.Trim(host, "0123456789abcdefABCDEF:") != "" {
			return false
		}
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i:]
		}
		for _, part := range strings.Split(host, ".") {
			if part == "" || part[0] == '-' || part[len(part)-1] == '-' || !only(part, func(c byte) bool { return alnum(c) || c == '-' }) {
				return false
			}
		}
	}
	return port == "" || port[0] == ':' && len(port) > 1 && only(port[1:], digit)
}

func validPath(s string) bool {
	for _, part := range strings.Split(s, "/") {
		if !validComponent(part) {
			return false
		}
	}
	return true
}

// validComponent: runs of lower-case letters and digits, parted by one '.', one or two '_', or any number of '-'.
func validComponent(s string) bool {
	word := func(c byte) bool { return lower(c) || digit(c) }
	for {
		n := run(s, word)
		if n == 0 {
			return false
		}
		if s = s[n:]; s == "" {
			return true
		}
		n = run(s, func(c byte) bool { return !word(c) })
		if sep := s[:n]; sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return false
		}
		s = s[n:]
	}
}

func validTag(s string) bool {
	return len(s) <= maxTag && s[0] != '.' && s[0] != '-' &&
		only(s, func(c byte) bool { return alnum(c) || c == '_' || c == '.' || c == '-' })
}

func validDigest(s string) bool {
	hex, found := strings.CutPrefix(s, "sha256:")
	return found && len(hex) == 64 && isHex(hex)
}

func isHex(s string) bool {
	return only(s, func(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' })
}

// run is the length of the longest beginning of s whose bytes all are ok.
func run(s string, ok func(byte) bool) int {
	for i := range len(s) {
		if !ok(s[i]) {
			return i
		}
	}
	return len(s)
}

func only(s string, ok func(byte) bool) bool { return run(s, ok) == len(s) }
func digit(c byte) bool                      { return '0' <= c && c <= '9' }
func lower(c byte) bool                      { return 'a' <= c && c <= 'z' }
func alnum(c byte) bool                      { return digit(c) || lower(c|0x20) }
