package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/engine/embedded/wire"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/errdefs"
)

// prepareState makes BuildKit's folder where there is none. A new state numbers its layers from the beginning: a record
// of an older one would name the layers of other images, so the records are moved aside before.
func prepareState(req wire.ServeRequest, root string) error {
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("open build cache: %w", err)
		}
		return checkState(filepath.Join(root, "runc-"+snapshotter(req.Copies)))
	}
	records := filepath.Join(req.Store, "records")
	if old, err := os.ReadDir(records); err == nil && len(old) > 0 {
		if _, err := setAside(records); err != nil {
			return err
		}
		if err := os.Mkdir(records, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make folder of records: %w", err)
		}
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return fmt.Errorf("make folder of the build cache: %w", err)
	}
	return nil
}

// checkState refuses a state that lacks one of the databases that know its layers: bbolt would begin an empty one, under
// which layers are numbered anew or swept away beneath the records that stand on them.
func checkState(worker string) error {
	if _, err := os.Stat(worker); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, name := range []string{"containerdmeta.db", "metadata_v2.db", "snapshots/metadata.db"} {
		st, err := os.Stat(filepath.Join(worker, name))
		if err != nil {
			return fmt.Errorf("open build cache: %w", err)
		}
		if st.Size() == 0 {
			return fmt.Errorf("open build cache: %s is empty", filepath.Join(worker, name))
		}
	}
	return nil
}

// openSnapshotter opens the layers, which removes at once what is no longer wanted: this process does not live long. Its
// database would be opened at the first build only, too late to move it aside, and so it is looked into.
func openSnapshotter(ctx context.Context, dir string, copies bool) (s snapshots.Snapshotter, err error) {
	if copies {
		s, err = native.NewSnapshotter(dir)
	} else {
		s, err = overlay.NewSnapshotter(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open layers: %w", err)
	}
	enough := errors.New("enough")
	err = s.Walk(ctx, func(context.Context, snapshots.Info) error { return enough })
	if err != nil && !errors.Is(err, enough) && !errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("open layers: %w", err)
	}
	return s, nil
}

// setAside renames something, so that it can be looked at, and `caisson clean` finds it.
func setAside(path string) (string, error) {
	aside := wire.Aside(path)
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("move it aside: %w", err)
	}
	return aside, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
