package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublishedPorts(t *testing.T) {
	for _, test := range []struct {
		name, line string
		want       []string
	}{
		{"a pair is for this machine alone", "--publish 8080:80", words("127.0.0.1:8080:80")},
		{"behind =", "--publish=8080:80", words("127.0.0.1:8080:80")},
		{"an address", "--publish 0.0.0.0:8080:80", words("0.0.0.0:8080:80")},
		{"an IPv6 address", "--publish [::1]:8080:80", words("[::1]:8080:80")},
		{"the protocol that there is", "--publish 8080:80/tcp", words("127.0.0.1:8080:80")},
		{"several", "--publish 1:1 --publish=2:1", words("127.0.0.1:1:1 127.0.0.1:2:1")},
		{"one port of two addresses", "--publish 1:1 --publish [::1]:1:2", words("127.0.0.1:1:1 [::1]:1:2")},
		{"any free port, twice", "--publish 0:80 --publish 0:81", words("127.0.0.1:0:80 127.0.0.1:0:81")},
		{"with the network that has it", "--publish 1:1 --network private", words("127.0.0.1:1:1")},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ParseRun(append(words("-p x"), words(test.line)...), host)
			if err != nil {
				t.Fatal(err)
			}
			var published []string
			for _, p := range got.Publish {
				published = append(published, p.String())
			}
			if diff := cmp.Diff(test.want, published); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPortsThatCannotBePublished(t *testing.T) {
	for _, test := range []struct {
		line string
		says []string
	}{
		{"--publish", []string{"--publish needs a [ADDRESS:]HOST:CONTAINER"}},
		{"--publish=", []string{`"" has no port of this machine`, "8080:80"}},
		{"--publish 80", []string{`--publish: "80" does not say which port of this machine`, "write 80:80, or 0:80"}},
		{"--publish :80", []string{"write 80:80, or 0:80"}},
		{"--publish web:80", []string{`"web:80" has no port of this machine`, "8080:80"}},
		{"--publish 80:web", []string{`"80:web" has no port of the container`}},
		{"--publish 80:0", []string{"no port of the container", "1 to 65535"}},
		{"--publish 65536:80", []string{"no port of this machine", "or 0 for any free one"}},
		{"--publish 08:80", []string{"no port of this machine"}},
		{"--publish 1-2:3-4", []string{`"1-2:3-4" is a range of ports`, "--publish once for each port"}},
		{"--publish 53:53/udp", []string{`no ports with the protocol "udp"`, "only TCP"}},
		{"--publish localhost:80:80", []string{`"localhost" is not an IP address`, "127.0.0.1 for this machine alone"}},
		{"--publish ::1:80:80", []string{`"::1" is not how an address is written`, "[::1]:80:80"}},
		{"--publish [1.2.3.4]:80:80", []string{`"[1.2.3.4]" is not how an address is written`}},
		{"--publish [::1:80:80", []string{`"[::1" is not an IP address`}},
		{"--publish 80:80 --publish 127.0.0.1:80:81", []string{"the port 127.0.0.1:80 of this machine would lead to two ports"}},
		{"--publish 80:80 --network none", []string{"--publish needs a private network, and --network none has no way in"}},
		{"--publish 80:80 --network host", []string{"--network host makes every port of the container one of this machine"}},
		{"--publish 80:80 -b", []string{"-b runs nothing, so --publish"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := ParseRun(append(words("-p x"), words(test.line)...), host)
			wantUsageError(t, err, test.says...)
		})
	}
}

func TestNetworksAndLimitsThatAreRefused(t *testing.T) {
	for _, test := range []struct {
		line string
		says []string
	}{
		{"--network hst", []string{`--network: no network "hst"`, "did you mean host?", "private, host, none"}},
		{"--network bridge", []string{`no network "bridge"`, "did you mean private?"}},
		{"--network=", []string{`no network ""`, "one of private, host, none"}},
		{"--network", []string{"--network needs a MODE"}},
		{"--memory 5m", []string{`--memory: "5m" is too little memory`, "6m is the least"}},
		{"--memory 512", []string{"did you mean 512m or 512g?"}},
		{"--memory big", []string{`"big" is not a size`}},
		{"--cpus 0", []string{"--cpus: 0 processors can run nothing"}},
		{"--cpus half", []string{`"half" is not a number of processors`, "0.5 for half of one"}},
		{"--cpus=-1", []string{`"-1" is not a number of processors`}},
		{"--pids 0", []string{"--pids: no process can run where 0 are allowed"}},
		{"--pids 1.5", []string{`"1.5" is not a number of processes`, "write 500"}},
		{"--pids 9999999", []string{"4194304 is the most"}},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := ParseRun(append(words("-p x"), words(test.line)...), host)
			wantUsageError(t, err, test.says...)
		})
	}
}
