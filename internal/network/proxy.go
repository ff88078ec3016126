package network

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// isProxyName is whether the variable, in lower case, tells programs about proxies.
func isProxyName(lower string) bool {
	switch lower {
	case "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy":
		return true
	}
	return false
}

// ProxyEnv picks the proxy variables, NAME=VALUE, of the host's environment for a container. The loopback of a container
// is its own: a proxy on the host's loopback is renamed to HostAlias, and that service, no other one, is allowed.
func ProxyEnv(environ []string) (env []string, allowed []Allowed) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		switch lower := strings.ToLower(name); {
		case value == "" || !isProxyName(lower) || name != lower && name != strings.ToUpper(name):
			continue
		case lower == "no_proxy":
			env = append(env, entry)
		default:
			value, allowed = proxyInside(value, allowed)
			env = append(env, name+"="+value)
		}
	}
	return env, allowed
}

// proxyInside is the value of a proxy variable in the container, and the services allowed with it:
// [SCHEME://][USER[:PASSWORD]@]HOST[:PORT][/PATH].
func proxyInside(value string, allowed []Allowed) (string, []Allowed) {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok {
		scheme, rest = "", value
	}
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	login := ""
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		login, authority = authority[:i+1], authority[i+1:]
	}
	host, port := splitPort(authority)
	if !isLoopback(host) {
		return value, allowed
	}
	if port == "" {
		port = defaultPort(scheme)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return value, allowed // no program could use it either
	}
	at, allowed := allow(net.JoinHostPort(host, port), uint16(n), allowed)
	if scheme != "" {
		scheme += "://"
	}
	return scheme + login + HostAlias + ":" + strconv.Itoa(int(at)) + tail, allowed
}

// splitPort splits HOST[:PORT], where an IPv6 address may stand in brackets.
func splitPort(s string) (host, port string) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		return host, port
	}
	return strings.Trim(s, "[]"), ""
}

func isLoopback(host string) bool {
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

func defaultPort(scheme string) string {
	switch scheme = strings.ToLower(scheme); {
	case scheme == "https":
		return "443"
	case strings.HasPrefix(scheme, "socks"):
		return "1080"
	}
	return "80"
}

// allow gives the service a port in the container's network: its own one, or the next where another service has that.
func allow(host string, port uint16, allowed []Allowed) (uint16, []Allowed) {
	for _, a := range allowed {
		switch {
		case a.Host == host:
			return a.Port, allowed
		case a.Port == port:
			return allow(host, max(port+1, 1), allowed)
		}
	}
	return port, append(allowed, Allowed{Port: port, Host: host})
}
