package dockerfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"caisson/internal/image"
)

func read(t *testing.T, text string) image.Plan {
	t.Helper()
	plan, err := Read("Dockerfile", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// sources shows what a plan takes from the context; a literal source has quotes.
func sources(plan image.Plan) string {
	var all []string
	for _, stage := range plan.Stages {
		for _, s := range stage.Sources {
			if s.Literal {
				s.Path = fmt.Sprintf("%q", s.Path)
			}
			all = append(all, s.Path)
		}
	}
	return strings.Join(all, " ")
}

func TestSourcesInTheContext(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"COPY", "COPY install/a.sh install/b.sh /work/", "install/a.sh install/b.sh"},
		{"lower case", "copy a /", "a"},
		{"the JSON form", `COPY ["with space", "b*", "/work/"]`, "with space b*"},
		{"a flag", "COPY --chown=1:2 --chmod=755 --link a /", "a"},
		{"--exclude is not applied", "COPY --exclude=*.o a /", "a"},
		{"the whole context", "COPY a /\nCOPY . /work", "."},
		{"a slash is the whole context", "COPY / /work", "."},
		{"dot dot stays inside", "COPY ../a/../b /", "b"},
		{"the same source twice", "COPY a /\nCOPY ./a /b", "a"},
		{"continued lines", "COPY a \\\n  # between\n  b \\\n  /work/", "a b"},
		{"COPY --from is none", "COPY --from=debian:sid /etc/passwd /", ""},
		{"a heredoc is none", "COPY <<EOF /etc/conf\nCOPY inner /\nEOF\nCOPY a /", "a"},
		{"a heredoc beside a file", "COPY <<EOF b /etc/\ntext\nEOF", "b"},
		{"a heredoc of RUN is none", "RUN <<EOF\nCOPY inner /\nEOF", ""},
		{"ADD", "ADD archive.tar.xz b /", "archive.tar.xz b"},
		{"ADD of a URL", "ADD https://example.org/x.tar /\nADD http://example.org/y /", ""},
		{"ADD of a repository", "ADD https://example.org/x.git#main /\nADD git@example.org:x/y.git /", ""},
		{"ADD of a folder named like a host", "ADD github.com/x/y /", "github.com/x/y"},
		{"ENV is known", "ENV DIR=install SUB=deep\nENV BOTH $DIR/$SUB\nCOPY ${BOTH}/a $DIR/b /", "install/deep/a install/b"},
		{"ENV sees what was before it", "ENV A=1\nENV A=2 B=$A\nCOPY f$B /", "f1"},
		{"ENV with a default", "ENV A=x\nCOPY ${A:-y} /", "x"},
		{"an ARG is not known", "ARG DIR=install\nCOPY $DIR/a /", "."},
		{"an ARG over an ENV is not known", "ENV DIR=install\nARG DIR\nCOPY $DIR/a /", "."},
		{"an ENV from an ARG is not known", "ARG X=1\nENV DIR=$X\nCOPY $DIR/a /", "."},
		{"an ENV over an ARG is known", "ARG DIR\nENV DIR=install\nCOPY $DIR/a /", "install/a"},
		{"a variable of the base is not known", "COPY $HOME/a /", "."},
		{"a quoted dollar is none", `COPY '$a' /`, "$a"},
		{"an ENV of an earlier stage", "ENV D=x\nFROM base AS two\nCOPY $D /", "x"},
		{"an ENV of another stage", "ENV D=x\nFROM debian AS two\nCOPY $D /", "."},
		{"the sources of all stages", "COPY a /\nFROM debian\nCOPY b /", "a b"},
		{"a bind mount", "RUN --mount=type=bind,source=install,target=/i ls", `"install"`},
		{"a bind mount by default", "RUN --mount=src=a[1],dst=/i ls", `"a[1]"`},
		{"a bind mount of all", "RUN --mount=type=bind,target=/src make", "."},
		{"a bind mount with a variable", "ENV D=install\nRUN --mount=source=$D/x,target=/i ls", `"install/x"`},
		{"a bind mount with an unknown variable", "ARG D\nRUN --mount=source=$D,target=/i ls", "."},
		{"a bind mount of a stage", "RUN --mount=from=base,target=/i ls", ""},
		{"other mounts", "RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s --mount=type=ssh ls", ""},
		{"--parents counts the top folder", "COPY --parents src/**/*.c docs/./a/b /", "src docs"},
		{"--parents with a wildcard at the top", "COPY --parents **/*.c /", "."},
		{"ONBUILD", "ONBUILD COPY a /\nONBUILD RUN ls", "a"},
		{"ONBUILD sees another stage's variables", "ENV D=x\nONBUILD COPY $D /\nENV D=y", "."},
		{"after an ONBUILD variables may differ", "ENV D=x\nONBUILD ENV D=y\nFROM base AS two\nCOPY $D /", "."},
		{"legacy forms", "MAINTAINER someone <a@b>\nENV key some value\nSHELL [\"/bin/bash\", \"-c\"]\nCOPY a /", "a"},
		{"the legacy ENV", "ENV D in st\nCOPY \"$D\" /", "in st"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := sources(read(t, "FROM debian AS base\n"+test.text+"\n")); got != test.want {
				t.Errorf("sources are %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheWholePlan(t *testing.T) {
	text := "# syntax=docker/dockerfile:1\n# escape=`\n" + strings.Join([]string{
		"ARG SUITE=bookworm", "ARG IMAGE=debian:${SUITE}", "ARG NONE",
		"FROM --platform=$BUILDPLATFORM $IMAGE AS Tools", "ARG USER_ID", "ARG GROUP_ID=0 OTHER", "RUN echo `", "  continued",
		"FROM ${NONE} AS second", "COPY --from=tools /a /a", "COPY --from=0 /b /b", "COPY --from=alpine:3 /c /c",
		"RUN --mount=type=bind,from=busybox,target=/x --mount=from=tools,target=/y ls",
		"FROM scratch", `COPY dir\file /`, "ADD https://example.org/f /", "FROM second",
	}, "\n")
	word := func(s string) *string { return &s }
	want := image.Plan{
		Syntax: "docker/dockerfile:1", Escape: "`",
		Args: []image.Arg{{Name: "SUITE", Default: word("bookworm")}, {Name: "IMAGE", Default: word("debian:${SUITE}")}, {Name: "NONE"}},
		Stages: []image.Stage{
			{
				Name: "tools", Line: 6, Written: "$IMAGE", From: "debian:bookworm", External: true, Platform: "$BUILDPLATFORM", Run: true,
				Args: []image.Arg{{Name: "USER_ID"}, {Name: "GROUP_ID", Default: word("0")}, {Name: "OTHER"}},
			},
			{
				Name: "second", Line: 11, Written: "${NONE}", From: "${NONE}", External: true, Run: true,
				Images: []string{"alpine:3", "busybox"}, Needs: []int{0},
			},
			{
				Line: 16, Written: "scratch", From: "scratch", Remote: []string{"https://example.org/f"},
				Sources: []image.Source{{Path: `dir\file`}},
			},
			{Line: 19, Written: "second", From: "second"},
		},
	}
	plan := read(t, text)
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("the plan differs (- wanted):\n%s", diff)
	}
	for name, declared := range map[string]bool{"USER_ID": true, "GROUP_ID": true, "SUITE": false, "user_id": false} {
		if plan.DeclaresArg(name) != declared {
			t.Errorf("DeclaresArg(%s) is %t", name, !declared)
		}
	}
}

func TestExternalImages(t *testing.T) {
	const text = `ARG SUITE=bookworm
ARG KIND=small
FROM debian:${SUITE} AS base
FROM gcc:13 AS tools
FROM base AS small
FROM base AS large
COPY --from=tools /a /
FROM unused:1 AS unused
FROM ${KIND}
COPY --from=busybox /bin/sh /
RUN --mount=from=tools,target=/t ls
FROM scratch AS empty
FROM arm-${TARGETARCH}${TARGETVARIANT} AS arch
FROM debian:$SUITE AS again
COPY --from=base /a /
`
	plan := read(t, text)
	for _, test := range []struct {
		name, target string
		args         map[string]string
		want         string
	}{
		{"the last stage by default", "", nil, "debian:bookworm"},
		{"a stage", "small", nil, "debian:bookworm"},
		{"a stage in capitals", "SMALL", nil, "debian:bookworm"},
		{"a stage that copies from another", "large", nil, "debian:bookworm gcc:13"},
		{"a build argument", "base", map[string]string{"SUITE": "trixie"}, "debian:trixie"},
		{"nothing", "empty", nil, ""},
		{"the platform", "arch", nil, "arm-armv7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := plan.ExternalImages(test.target, test.args, "linux/arm/v7")
			if err != nil || strings.Join(got, " ") != test.want {
				t.Errorf("images %q, %v; want %q", got, err, test.want)
			}
		})
	}
	chosen := read(t, strings.SplitAfter(text, "target=/t ls")[0])
	for kind, want := range map[string]string{
		"small": "debian:bookworm gcc:13 busybox", "other:1": "gcc:13 other:1 busybox", "scratch": "gcc:13 busybox",
	} {
		got, err := chosen.ExternalImages("", map[string]string{"KIND": kind}, "linux/amd64")
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("FROM ${KIND} with %s: images %q, %v; want %q", kind, got, err, want)
		}
	}
}

func TestImagesThatCannotBeNamed(t *testing.T) {
	for _, test := range []struct{ name, text, target, want string }{
		{"a target that is not there", "FROM a AS one\nFROM b AS two", "three", `no stage "three"; its stages are one, two`},
		{"a target where no stage has a name", "FROM a", "one", "none of its stages has a name"},
		{"a base without a default", "ARG X\nFROM $X", "", "line 2: FROM $X names no image"},
		{"a form that only BuildKit knows", "ARG X=a.b\nFROM ${X%.*}", "", "can be expanded here"},
		{"a required argument", "FROM ${X:?say-which}", "", "say-which"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := read(t, test.text).ExternalImages(test.target, nil, "linux/amd64")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// The small program expands FROM by itself; it must come to what BuildKit comes to.
func TestExpansionAgreesWithBuildKit(t *testing.T) {
	words := []string{
		"plain", "$A", "${A}", "x$A.y", "x${A}y", "$A$B", "$A:$B", "${U:-d}", "${U-d}", "${E:-d}", "${E-d}", "${A:-d}", "${A:+z}",
		"${U:+z}x", "${E:+z}x", "${E+z}", "${A:?no}", "${U:-$A}", "${U:-${B}-x}", "${U:-${E:-$A}}", `"$A"`, `'$A'`, `\$A`, `a\b`,
		`"a\$b"`, `"a\b"`, `"a\"b"`, "$1x", "$A_B", "${A}_B", "$A/$B@$C", "a$", "${U:-'q'}", `${U:-"$A b"}`, "$äöü", "x${U}y", "${1}a",
	}
	env := []string{"A=alpha", "B=3.19", "E=", "C=sha256", "A_B=under", "äöü=umlaut"}
	lookup := shell.EnvsFromSlice(env)
	for _, escape := range []string{`\`, "`"} {
		for _, word := range words {
			plan := image.Plan{Escape: escape, Stages: []image.Stage{{Written: "image" + word}}}
			args := map[string]string{}
			for _, pair := range env {
				name, value, _ := strings.Cut(pair, "=")
				args[name] = value
				plan.Args = append(plan.Args, image.Arg{Name: name})
			}
			want, _, wantErr := shell.NewLex(rune(escape[0])).ProcessWord("image"+word, lookup)
			got, err := plan.ExternalImages("", args, "linux/amd64")
			if (err != nil) != (wantErr != nil) || err == nil && strings.Join(got, "") != want {
				t.Errorf("%s (escape %s) is %q, %v; BuildKit says %q, %v", word, escape, got, err, want, wantErr)
			}
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for _, test := range []struct {
		name, text string
		line       int
		reason     string
	}{
		{"an unknown instruction", "FROM a\n\nRNU ls\n", 3, "unknown instruction: RNU"},
		{"an unknown flag", "FROM a\nRUN ls\nCOPY --form=b c /\n", 3, "unknown flag: --form"},
		{"a missing destination", "FROM a\nCOPY a\n", 2, "COPY requires at least two arguments"},
		{"after continued lines", "FROM a\nRUN a \\\n b \\\n c\nFOO\n", 5, "unknown instruction: FOO"},
		{"an open heredoc", "FROM a\nRUN <<EOF\nls\n", 2, "unterminated heredoc"},
		{"an empty file", "", 1, "file with no instructions"},
		{"only comments", "# one\n# two\n", 2, "file with no instructions"},
		{"no FROM", "ARG A=1\n", 1, "no FROM"},
		{"an instruction before FROM", "RUN ls\nFROM a\n", 1, "no build stage in current context"},
		{"a bad stage name", "FROM a AS 1x\n", 1, "invalid name for build stage"},
		{"a bad ONBUILD", "FROM a\nRUN ls\nONBUILD FOO x\n", 3, "unknown instruction: FOO"},
		{"a bad mount", "FROM a\nRUN --mount=type=bind,from=$X ls\n", 2, "doesn't support variable expansion"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Read("ci/Dockerfile.build.x", []byte(test.text))
			var syntax *image.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("the error is %v", err)
			}
			prefix := fmt.Sprintf("ci/Dockerfile.build.x:%d: ", test.line)
			if !strings.HasPrefix(err.Error(), prefix) || !strings.Contains(syntax.Reason, test.reason) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %q, want %q and %q", err, prefix, test.reason)
			}
		})
	}
}
