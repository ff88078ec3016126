package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"caisson/internal/engine"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/progress/progressui"
)

// display draws the build on standard error until the channel is closed.
func display(ctx context.Context, mode string, ch chan *client.SolveStatus) error {
	var m progressui.DisplayMode
	switch mode {
	case "tty":
		m = progressui.TtyMode
	case "plain":
		m = progressui.PlainMode
	case "auto", "":
		m = progressui.AutoMode
	default: // json is told as events
		m = progressui.QuietMode
	}
	d, err := progressui.NewDisplay(os.Stderr, m)
	if err != nil { // no terminal after all
		d, err = progressui.NewDisplay(os.Stderr, progressui.PlainMode)
	}
	if err != nil {
		return err
	}
	_, err = d.UpdateFrom(ctx, ch)
	return err
}

// watcher sees all that a build tells: it passes steps on as events and keeps the last lines of each.
type watcher struct {
	events func(engine.Event)
	file   string
	logs   map[string][]string // step digest -> its last lines
	steps  map[string]string   // step digest -> name
	failed string              // digest of the first step that failed
}

// keptLines of a step's output are shown when it fails.
const keptLines = 20

// watch passes from on to to, which it closes.
func (w *watcher) watch(from, to chan *client.SolveStatus) {
	defer close(to)
	w.logs, w.steps = map[string][]string{}, map[string]string{}
	state := map[string]string{}
	for s := range from {
		for _, v := range s.Vertexes {
			id := v.Digest.String()
			w.steps[id] = v.Name
			now := stateOf(v)
			if now == "failed" && w.failed == "" {
				w.failed = id
			}
			if now != "" && state[id] != now {
				state[id] = now
				w.events(engine.Event{Kind: "build.step", Time: time.Now(), Step: v.Name, State: now})
			}
		}
		for _, l := range s.Logs {
			w.keep(l.Vertex.String(), string(l.Data))
			w.events(engine.Event{Kind: "build.log", Time: time.Now(), Step: w.steps[l.Vertex.String()], Text: string(l.Data)})
		}
		to <- s
	}
}

func stateOf(v *client.Vertex) string {
	switch {
	case v.Error != "":
		return "failed"
	case v.Cached:
		return "cached"
	case v.Completed != nil:
		return "done"
	case v.Started != nil:
		return "started"
	}
	return ""
}

func (w *watcher) keep(id, text string) {
	lines := append(w.logs[id], strings.Split(strings.TrimRight(text, "\n"), "\n")...)
	w.logs[id] = lines[max(0, len(lines)-keptLines):]
}

// explain turns a failed solve into an error for people: which step, where in the Dockerfile, its last words.
func (w *watcher) explain(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &engine.BuildError{Reason: shortReason(err.Error()), Step: w.steps[w.failed], Output: w.logs[w.failed]}
	for _, s := range errdefs.Sources(err) {
		if s.Info != nil && len(s.Ranges) > 0 {
			e.Where = fmt.Sprintf("%s:%d", w.file, s.Ranges[0].Start.Line)
		}
	}
	return e
}

// shortReason leaves out what an error has besides: that it is one, and the command, which the step names.
func shortReason(text string) string {
	text = strings.TrimPrefix(text, "failed to solve: ")
	const failed = " did not complete successfully: "
	if i := strings.LastIndex(text, failed); i >= 0 && strings.HasPrefix(text, "process ") {
		return text[i+len(failed):]
	}
	return text
}
