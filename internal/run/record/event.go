package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"caisson/internal/engine"
)

// leftoverEvent is the kind of the events that Leftover writes and a sweep reads.
const leftoverEvent = "leftover"

// eventLine is one line of events.jsonl: time, kind, then the fields in their order.
func eventLine(now time.Time, kind string, fields []any) []byte {
	var b bytes.Buffer
	b.WriteString(`{"time":`)
	b.Write(jsonOf(now))
	b.WriteString(`,"kind":`)
	b.Write(jsonOf(kind))
	for i := 0; i < len(fields); i += 2 {
		name := fmt.Sprint(fields[i])
		var value any // a name without a value has null
		if i+1 < len(fields) {
			value = fields[i+1]
		}
		if name == "time" || name == "kind" { // an object has each name once
			name = "field_" + name
		}
		b.WriteByte(',')
		b.Write(jsonOf(name))
		b.WriteByte(':')
		b.Write(jsonOf(value))
	}
	b.WriteString("}\n")
	return b.Bytes()
}

// jsonOf is v as JSON; what JSON cannot say is said as text.
func jsonOf(v any) []byte {
	switch x := v.(type) {
	case error:
		v = x.Error()
	case time.Duration:
		v = x.Seconds()
	}
	data, err := json.Marshal(v)
	if err != nil {
		data, _ = json.Marshal(fmt.Sprint(v)) // a string always has a form
	}
	return data
}

// readLeftovers returns what the events in that file note as leftovers. A last line that was cut off is skipped: what
// it was to name was not made yet. A run without events has none.
func readLeftovers(path string) ([]engine.Leftover, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var leftovers []engine.Leftover
	lines := bufio.NewReader(f)
	for err == nil {
		var line []byte
		line, err = lines.ReadBytes('\n')
		var event struct{ Kind, What, Name string }
		if json.Unmarshal(line, &event) == nil && event.Kind == leftoverEvent {
			leftovers = append(leftovers, engine.Leftover{Kind: event.What, Name: event.Name})
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return leftovers, errors.Join(err, f.Close())
}
