package network

import (
	"slices"
	"strings"
	"testing"

	"caisson/test/harness"
)

// elsewhere is a name that only a proxy could make something of.
const elsewhere = "http://elsewhere.invalid/file"

func TestRunsAndStepsUseTheProxyOfThisMachine(t *testing.T) {
	download := "wget -q -O - " + elsewhere
	for _, name := range []string{"http_proxy", "HTTP_PROXY"} {
		t.Run(name, func(t *testing.T) {
			proxy := newServer(t)
			// Programs disagree on whether the upper case counts.
			command := download
			if name == "HTTP_PROXY" {
				command = "http_proxy=$HTTP_PROXY " + download
			}
			tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN " + command + " >/said\n"}).
				With(name + "=http://127.0.0.1:" + proxy.port)
			equal(t, "in a run", tr.Must(t, "-p", "tiny", "sh", "-c", command).Stdout, answer)
			equal(t, "in a step", tr.Must(t, "-p", "steps", "--no-cache", "cat", "/said").Stdout, answer)
			if want := []string{elsewhere, elsewhere}; !slices.Equal(proxy.asked(), want) {
				t.Errorf("the proxy was asked for %q, want %q", proxy.asked(), want)
			}
		})
	}
}

func TestProxyVariablesAreTheCallersAsTheContainerCanUseThem(t *testing.T) {
	tr := harness.NewTree(t, nil).With(
		"http_proxy=http://localhost:3128", "HTTP_PROXY=http://127.0.0.1:3129/", "https_proxy=http://me:secret@[::1]:3130",
		"HTTPS_PROXY=http://proxy.example:8080", "ALL_PROXY=socks5://127.1.2.3", "ftp_proxy=", "no_proxy=localhost,.example", "NO_PROXY=*",
		"proxy=http://127.0.0.1:1")
	inside := []string{
		"http_proxy=http://host.caisson.internal:3128", "HTTP_PROXY=http://host.caisson.internal:3129/",
		"https_proxy=http://me:secret@host.caisson.internal:3130", "HTTPS_PROXY=http://proxy.example:8080",
		"ALL_PROXY=socks5://host.caisson.internal:1080", "no_proxy=localhost,.example", "NO_PROXY=*",
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"in a run", []string{"-p", "tiny", "env"}, inside},
		{"with -e", []string{"-p", "tiny", "-e", "http_proxy=http://127.0.0.1:9", "-e", "HTTP_PROXY", "env"},
			append([]string{"http_proxy=http://127.0.0.1:9", "HTTP_PROXY=http://127.0.0.1:3129/"}, inside[2:]...)},
		{"with this machine's network", []string{"-p", "tiny", "--network", "host", "env"}, []string{
			"http_proxy=http://localhost:3128", "HTTP_PROXY=http://127.0.0.1:3129/", "https_proxy=http://me:secret@[::1]:3130",
			"HTTPS_PROXY=http://proxy.example:8080", "ALL_PROXY=socks5://127.1.2.3", "ftp_proxy=", "no_proxy=localhost,.example", "NO_PROXY=*",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			equalLists(t, proxiesIn(tr.Must(t, c.args...).Stdout), c.want)
		})
	}
}

func TestAStepHasTheProxiesInBothSpellings(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN env >/said\n"}).With(
		"http_proxy=http://localhost:3128", "HTTPS_PROXY=http://me:secret@proxy.example:8080", "no_proxy=localhost,.example")
	r := tr.Must(t, "-p", "steps", "--no-cache", "cat", "/said")
	equalLists(t, proxiesIn(r.Stdout), []string{
		"http_proxy=http://host.caisson.internal:3128", "HTTP_PROXY=http://host.caisson.internal:3128",
		"https_proxy=http://me:secret@proxy.example:8080", "HTTPS_PROXY=http://me:secret@proxy.example:8080",
		"no_proxy=localhost,.example", "NO_PROXY=localhost,.example",
	})
}

func TestAnImageDoesNotRememberTheProxiesOfItsBuild(t *testing.T) {
	tr := harness.NewTree(t, map[string]string{"ci/docker/Dockerfile.build.steps": "FROM tiny\nRUN env >/said\n"})
	tr.With("http_proxy=http://127.0.0.1:3128").Must(t, "-p", "steps", "--no-cache", "-b")
	r := tr.Must(t, "-p", "steps", "env")
	equalLists(t, proxiesIn(r.Stdout), nil)
	equal(t, "what is said", r.Stderr, "") // other proxies make no other image
}

// proxiesIn are the proxy variables in what env prints.
func proxiesIn(env string) (found []string) {
	for line := range strings.Lines(env) {
		if name, _, _ := strings.Cut(line, "="); strings.HasSuffix(strings.ToLower(name), "proxy") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

// equalLists compares without regard to the order.
func equalLists(t testing.TB, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
