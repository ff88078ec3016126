package embedded

import (
	"bytes"
	"io"
	"os"
	"strings"
	"time"
)

// layerSettle is how long a layer's folder may lack its lock before it counts as a dead client's.
const layerSettle = 10 * time.Second

func olderThan(path string, d time.Duration) bool {
	st, err := os.Lstat(path)
	return err == nil && time.Since(st.ModTime()) > d
}

// tail keeps the last bytes of a stream, for an error message.
type tail struct {
	done chan struct{} // closed by the reading goroutine when the stream ends
	buf  bytes.Buffer
}

const tailSize = 8 << 10

// readTail reads r to its end and closes it.
func readTail(r io.ReadCloser) *tail {
	t := &tail{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		defer r.Close()
		chunk := make([]byte, 4096)
		for {
			n, err := r.Read(chunk)
			t.buf.Write(chunk[:n])
			if over := t.buf.Len() - tailSize; over > 0 {
				t.buf.Next(over)
			}
			if err != nil {
				return
			}
		}
	}()
	return t
}

// String waits for the end of the stream.
func (t *tail) String() string {
	<-t.done
	return strings.TrimSpace(t.buf.String())
}
