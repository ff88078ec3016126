package embedded

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"caisson/internal/engine/embedded/wire"

	"golang.org/x/sys/unix"
)

// RemoveImages removes the records of all images that no run stands on, and then what the build cache holds for none.
func (e *Engine) RemoveImages(ctx context.Context) (removed int, freed int64, err error) {
	es, err := os.ReadDir(e.store.path("records"))
	if err != nil {
		return 0, 0, storeError(string(e.store), err)
	}
	for _, entry := range es {
		f, err := lockFile(e.store.path("records", entry.Name()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			continue // a run holds it
		}
		err = os.Remove(e.store.path("records", entry.Name()))
		f.Close()
		if err != nil {
			return removed, 0, storeError(string(e.store), err)
		}
		removed++
	}
	conn, err := e.store.connectBuilder(ctx)
	if err != nil {
		return removed, 0, err
	}
	defer conn.Close()
	err = e.store.call(ctx, wire.Prune, wire.PruneRequest{All: true}, &freed, conn, nil)
	return removed, freed, err
}

// RemoveBases removes all bases.
func (e *Engine) RemoveBases(ctx context.Context) error {
	all, err := e.Bases()
	for _, b := range all {
		err = errors.Join(err, e.RemoveBase(ctx, b.Ref))
	}
	return err
}

// RemoveDamaged removes what was moved aside, and counts it. A build state stays while any run is alive: it may stand on
// layers in there. Call it after a sweep.
func (s Store) RemoveDamaged() (n int, err error) {
	runs, err := filepath.Glob(s.path("fs", "[^.]*"))
	if err != nil {
		return 0, err
	}
	for _, dir := range []string{"", "records"} {
		es, err := os.ReadDir(s.path(dir))
		if err != nil {
			return n, storeError(string(s), err)
		}
		for _, e := range es {
			if !strings.Contains(e.Name(), wire.AsideMark) || e.IsDir() && len(runs) > 0 {
				continue
			}
			if err := removeTrees(s.path(dir, e.Name())); err != nil {
				return n, storeError(string(s), err)
			}
			n++
		}
	}
	return n, nil
}
