package foreign

import (
	"testing"

	"caisson/test/harness"
)

// Steps that take back what an earlier layer has: a folder that is made again, a file that becomes a folder, and the
// other way round.
const replaced = "RUN mkdir /d /g && touch /d/a /g/a && echo old >/f\n" +
	"RUN rm -r /d && mkdir /d && touch /d/b && rm /f && mkdir /f && touch /f/c && rm -r /g && echo new >/g\n"

const look = "ls -A /d /f && cat /g"

const seen = "/d:\nb\n\n/f:\nc\nnew\n"

func TestWhatALaterStepTakesAwayIsGoneWhoeverRunsIt(t *testing.T) {
	tr := newTree(t, "layers", map[string]string{
		"ci/docker/Dockerfile.build.native": "FROM " + harness.Tiny + "\n" + replaced,
		"ci/docker/Dockerfile.build.armv7":  "FROM %s\n" + replaced,
		"ci/docker/Dockerfile.build.copied": "FROM --platform=$BUILDPLATFORM " + harness.Tiny + " AS native\n" + replaced +
			"FROM %s\n" + replaced + "COPY --from=native /bin/busybox /busybox\n" +
			"COPY --from=native /d /d\nCOPY --from=native /f /f\nCOPY --from=native /g /g\nRUN touch /d/foreign && rm -r /f && mkdir /f && touch /f/c\n",
	})
	for platform, want := range map[string]string{"native": seen, "armv7": seen, "copied": "/d:\nb\nforeign\n\n/f:\nc\nnew\n"} {
		t.Run(platform, func(t *testing.T) {
			equal(t, tr.Must(t, "-p", platform, "sh", "-c", look).Stdout, want)
		})
	}
	t.Run("a native program in a foreign image", func(t *testing.T) {
		equal(t, tr.Must(t, "-p", "copied", "sh", "-c", "/busybox echo runs && uname -m").Stdout, "runs\narmv7l\n")
	})
}

func TestABaseOfAnotherProcessorThanAskedForIsRefused(t *testing.T) {
	tr := newTree(t, "mismatch", map[string]string{
		"ci/docker/Dockerfile.build.armv7": "FROM --platform=linux/arm/v7 " + harness.Tiny + "\nRUN echo >/said\n",
	})
	r := tr.Command("-p", "armv7", "-b").Run(t)
	if r.Code != 125 {
		t.Errorf("status %d, want 125", r.Code)
	}
	contains(t, r.Stderr, harness.Tiny, "amd64", "linux/arm/v7")
}
