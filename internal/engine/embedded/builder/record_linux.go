package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"caisson/internal/engine/embedded/wire"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/exporter"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/worker/base"
	"golang.org/x/sys/unix"
)

// exporterName of the exporter that turns a build's result into a record.
const exporterName = "caisson"

// Attributes of the exporter.
const (
	attrKey  = "key"
	attrName = "name"
)

// leasePrefix begins the name of a lease that holds a record's snapshots; the content key and the snapshot's name follow.
// A second build under one key (--no-cache) takes a second lease: a run may still stand on the layers of the first.
const leasePrefix = "caisson-"

// recordingWorker adds one exporter to BuildKit's worker. It writes down where the result's layers lie and holds them:
// nothing is copied or unpacked.
type recordingWorker struct {
	*base.Worker
	store       string
	snapshotter string
}

func (w *recordingWorker) Exporter(name string, sm *session.Manager) (exporter.Exporter, error) {
	if name != exporterName {
		return w.Worker.Exporter(name, sm)
	}
	return recordExporter{w}, nil
}

type recordExporter struct{ w *recordingWorker }

func (e recordExporter) Resolve(_ context.Context, id int, attrs map[string]string) (exporter.ExporterInstance, error) {
	if attrs[attrKey] == "" || strings.ContainsAny(attrs[attrKey], "/.") {
		return nil, fmt.Errorf("exporter %s: bad content key %q", exporterName, attrs[attrKey])
	}
	return &recording{w: e.w, id: id, attrs: attrs}, nil
}

type recording struct {
	w     *recordingWorker
	id    int
	attrs map[string]string
}

func (r *recording) ID() int                  { return r.id }
func (r *recording) Name() string             { return "record image" }
func (r *recording) Type() string             { return exporterName }
func (r *recording) Attrs() map[string]string { return r.attrs }
func (r *recording) Config() *exporter.Config { return exporter.NewConfig() }

func (r *recording) Export(ctx context.Context, src *exporter.Source, info exporter.ExportBuildInfo) (map[string]string, exporter.FinalizeFunc, exporter.DescriptorReference, error) {
	ref := src.Ref
	if ref == nil {
		for _, one := range src.Refs { // a single platform, named
			ref = one
		}
	}
	if ref == nil {
		return nil, nil, nil, errors.New("the Dockerfile makes an empty image: it has no file in it")
	}
	rec := wire.Record{
		Key: r.attrs[attrKey], Name: r.attrs[attrName], Created: time.Now().UTC(),
		Config: src.Metadata[exptypes.ExporterImageConfigKey],
	}
	lowers, err := lowerFolders(ctx, ref, session.NewGroup(info.SessionID))
	if err != nil {
		return nil, nil, nil, err
	}
	for _, l := range lowers {
		rel, err := filepath.Rel(r.w.store, l)
		if err != nil || !filepath.IsLocal(rel) {
			return nil, nil, nil, fmt.Errorf("layer %s lies outside of the store", l)
		}
		rec.Lowers = append(rec.Lowers, rel)
	}
	if err := r.hold(ctx, ref, rec.Key); err != nil {
		return nil, nil, nil, err
	}
	return nil, nil, nil, r.write(rec)
}

// lowerFolders commits the result and returns its layers' folders, the top one first.
func lowerFolders(ctx context.Context, ref cache.ImmutableRef, g session.Group) ([]string, error) {
	if err := ref.Finalize(ctx); err != nil {
		return nil, fmt.Errorf("commit image: %w", err)
	}
	if err := ref.Extract(ctx, g); err != nil {
		return nil, fmt.Errorf("unpack image: %w", err)
	}
	m, err := ref.Mount(ctx, true, g)
	if err != nil {
		return nil, fmt.Errorf("find layers of image: %w", err)
	}
	mounts, release, err := m.Mount()
	if err != nil {
		return nil, fmt.Errorf("find layers of image: %w", err)
	}
	defer func() { _ = release() }()
	return lowersOf(mounts)
}

func lowersOf(mounts []mount.Mount) ([]string, error) {
	if len(mounts) != 1 {
		return nil, fmt.Errorf("image has %d mounts, want 1", len(mounts))
	}
	if t := mounts[0].Type; t == "bind" || t == "rbind" { // a single layer
		return []string{mounts[0].Source}, nil
	}
	for _, o := range mounts[0].Options {
		if v, ok := strings.CutPrefix(o, "lowerdir="); ok {
			return strings.Split(v, ":"), nil
		}
	}
	return nil, fmt.Errorf("mount of type %s has no lower folders", mounts[0].Type)
}

// hold keeps the snapshot, and by reference its parents, from being collected, without an end.
func (r *recording) hold(ctx context.Context, ref cache.ImmutableRef, key string) error {
	id := ref.GetString("cache.snapshot")
	if id == "" {
		id = ref.ID()
	}
	lm := r.w.LeaseManager()
	l := leases.Lease{ID: leasePrefix + key + "-" + id}
	if _, err := lm.Create(ctx, leases.WithID(l.ID)); err != nil && !errdefs.IsAlreadyExists(err) {
		return fmt.Errorf("hold image: %w", err)
	}
	if err := lm.AddResource(ctx, l, leases.Resource{ID: id, Type: "snapshots/" + r.w.snapshotter}); err != nil {
		return fmt.Errorf("hold image: %w", err)
	}
	return nil
}

// dropLeases lets go of the layers of images whose record is gone. It runs when the builder starts.
func (w *recordingWorker) dropLeases(ctx context.Context) error {
	lm := w.LeaseManager()
	all, err := lm.List(ctx)
	if err != nil {
		return fmt.Errorf("list held images: %w", err)
	}
	for _, l := range all {
		key, ok := strings.CutPrefix(l.ID, leasePrefix)
		if !ok {
			continue
		}
		key, _, _ = strings.Cut(key, "-")
		_, err := os.Stat(filepath.Join(w.store, "records", key+".json"))
		if !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := lm.Delete(ctx, l); err != nil {
			return fmt.Errorf("let go of image %s: %w", key, err)
		}
	}
	return nil
}

// handOver gives a record, and the folders on the way to its layers, to the store's owner: the builder may be root of a user
// namespace only, and the client, who looks whether the layers are there, another user.
func (r *recording) handOver(record string, lowers []string) error {
	var st unix.Stat_t
	if err := unix.Stat(r.w.store, &st); err != nil {
		return fmt.Errorf("find owner of the store: %w", err)
	}
	uid, gid := int(st.Uid), int(st.Gid)
	if uid == os.Geteuid() {
		return nil
	}
	paths := map[string]bool{record: true}
	for _, l := range lowers {
		for dir := filepath.Dir(l); dir != "."; dir = filepath.Dir(dir) {
			paths[filepath.Join(r.w.store, dir)] = true
		}
	}
	for p := range paths {
		if err := os.Lchown(p, uid, gid); err != nil {
			return fmt.Errorf("hand image over to its user: %w", err)
		}
	}
	return nil
}

func (r *recording) write(rec wire.Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	path := filepath.Join(r.w.store, "records", rec.Key+".json")
	tmp, err := os.CreateTemp(filepath.Dir(path), ".record-*")
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(b); err != nil {
		tmp.Close()
		return fmt.Errorf("write record: %w", err)
	}
	if err := tmp.Close(); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := r.handOver(tmp.Name(), rec.Lowers); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
