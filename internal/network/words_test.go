package network

import (
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPortInUseIsNamed(t *testing.T) {
	first := Publish{Addr: "127.0.0.1", Container: 80}
	f, err := first.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	second := Publish{Addr: "127.0.0.1", Host: first.Host, Container: 81}
	if g, err := second.Listen(); err == nil || !strings.Contains(err.Error(), "in use") {
		g.Close()
		t.Errorf("error %v", err)
	} else if _, port, _ := net.SplitHostPort(strings.TrimSuffix(first.String(), ":80")); !strings.Contains(err.Error(), port) {
		t.Errorf("error without the port: %v", err)
	}
	if _, err := (&Publish{Addr: "203.0.113.1", Container: 80}).Listen(); err == nil || !strings.Contains(err.Error(), "no address of this host") {
		t.Errorf("error %v", err)
	}
}

func TestProxiesOfTheLoopbackAreRenamedAndAllowed(t *testing.T) {
	cases := []struct {
		host, want string
		allowed    []Allowed
	}{
		{"http_proxy=http://proxy.example:3128", "http_proxy=http://proxy.example:3128", nil},
		{"no_proxy=localhost,127.0.0.1", "no_proxy=localhost,127.0.0.1", nil},
		{"http_proxy=http://127.0.0.1:3128/", "http_proxy=http://host.caisson.internal:3128/", []Allowed{{3128, "127.0.0.1:3128"}}},
		{"HTTPS_PROXY=http://me:p@ss@localhost:3128", "HTTPS_PROXY=http://me:p@ss@host.caisson.internal:3128", []Allowed{{3128, "localhost:3128"}}},
		{"http_proxy=127.0.0.5:8", "http_proxy=host.caisson.internal:8", []Allowed{{8, "127.0.0.5:8"}}},
		{"ftp_proxy=http://[::1]", "ftp_proxy=http://host.caisson.internal:80", []Allowed{{80, "[::1]:80"}}},
		{"https_proxy=https://localhost", "https_proxy=https://host.caisson.internal:443", []Allowed{{443, "localhost:443"}}},
		{"ALL_PROXY=socks5h://localhost", "ALL_PROXY=socks5h://host.caisson.internal:1080", []Allowed{{1080, "localhost:1080"}}},
		{"http_proxy=http://127.0.0.1.example:1", "http_proxy=http://127.0.0.1.example:1", nil},
		{"http_proxy=http://u@x:127.0.0.1@proxy:1", "http_proxy=http://u@x:127.0.0.1@proxy:1", nil},
		{"http_proxy=http://127.0.0.1:x", "http_proxy=http://127.0.0.1:x", nil},
		{"http_proxy=", "", nil},
		{"Http_Proxy=http://127.0.0.1:1", "", nil},
		{"PATH=/bin", "", nil},
	}
	for _, c := range cases {
		env, allowed := ProxyEnv([]string{c.host})
		if got := strings.Join(env, " "); got != c.want || !cmp.Equal(allowed, c.allowed) {
			t.Errorf("%s: %s, %+v", c.host, got, allowed)
		}
	}
}

func TestTwoProxiesWithOnePortAreToldApart(t *testing.T) {
	env, allowed := ProxyEnv([]string{"http_proxy=http://127.0.0.1:3128", "HTTP_PROXY=http://127.0.0.1:3128", "all_proxy=http://[::1]:3128"})
	want := []string{"http_proxy=http://host.caisson.internal:3128", "HTTP_PROXY=http://host.caisson.internal:3128", "all_proxy=http://host.caisson.internal:3129"}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Allowed{{3128, "127.0.0.1:3128"}, {3129, "[::1]:3128"}}, allowed); diff != "" {
		t.Error(diff)
	}
}

func TestTheResolverFileKeepsSearchAndOptions(t *testing.T) {
	host := []byte("# comment\nnameserver 127.0.0.53\nnameserver  fe80::1%eth0 # router\nnameserver x\nsearch a.example b.example\n\toptions edns0 ndots:2\nsortlist 1.2.3.4\n")
	if got, want := ResolvConf(host), "search a.example b.example\noptions edns0 ndots:2\nnameserver 10.0.2.3\n"; got != want {
		t.Errorf("%q", got)
	}
	if diff := cmp.Diff([]string{"127.0.0.53", "fe80::1%eth0"}, Resolvers(host)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"127.0.0.1"}, Resolvers(nil)); diff != "" {
		t.Error(diff)
	}
}
