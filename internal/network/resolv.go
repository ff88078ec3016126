package network

import (
	"net/netip"
	"strings"
)

// ResolvConf makes the container's resolv.conf(5) from the host's: the stack's name server, with the search and options
// lines of the host.
func ResolvConf(host []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(host)) {
		if words := strings.Fields(line); len(words) > 1 {
			switch words[0] {
			case "search", "domain", "options":
				b.WriteString(strings.Join(words, " ") + "\n")
			}
		}
	}
	b.WriteString("nameserver " + NameServer + "\n")
	return b.String()
}

// Resolvers are the name servers of the host's resolv.conf(5), in its order. A file without any means the host itself,
// as it does to the C library.
func Resolvers(host []byte) []string {
	var all []string
	for line := range strings.Lines(string(host)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(words[1]); err == nil {
			all = append(all, ip.String())
		}
	}
	if len(all) == 0 {
		return []string{"127.0.0.1"}
	}
	return all
}
