package builder

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"

	"caisson/internal/engine/embedded/wire"

	"github.com/moby/buildkit/client"
	"golang.org/x/sync/errgroup"
)

// Prune drops what is not in use from the build cache and returns the number of bytes. Layers of recorded images stay:
// their leases hold them.
func Prune(ctx context.Context, req wire.PruneRequest, conn *os.File) (int64, error) {
	c, err := connect(ctx, conn, new(atomic.Bool))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var freed int64
	ch := make(chan client.UsageInfo)
	var eg errgroup.Group
	eg.Go(func() error {
		defer close(ch)
		opts := []client.PruneOption{}
		if req.All {
			opts = append(opts, client.PruneAll)
		}
		return c.Prune(ctx, ch, opts...)
	})
	eg.Go(func() error {
		for u := range ch {
			freed += u.Size
		}
		return nil
	})
	if err := eg.Wait(); err != nil {
		return freed, fmt.Errorf("prune build cache: %w", err)
	}
	return freed, nil
}
