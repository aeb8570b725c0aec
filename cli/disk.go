package cli

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"zencrypt/blobs"
	"zencrypt/config"
	"zencrypt/models"
)

// diskEvery is how often the server looks at its disk: while it can save, by one question to the file system; while it
// can't, by a real write. It is also how long saving stays refused after there is room again.
const diskEvery = 5 * time.Second

// openFiles opens the files' store, which is told when nothing can be saved, and tells when the disk refused it.
func openFiles(cfg config.Config, db *models.DB) (*blobs.Store, error) {
	return blobs.Open(blobs.Options{Dir: cfg.Data, SpoolMax: int64(cfg.SpoolMax), MinFree: int64(cfg.MinFreeDisk), Now: time.Now,
		Closed: db.Saving, Failed: func(error) { db.Suspect(context.Background()) }})
}

// watchDisk looks at the disk until the returned function is called. What changes is logged once, and told to systemd.
func watchDisk(ctx context.Context, cfg config.Config, db *models.DB, files *blobs.Store, log *slog.Logger) (stop func()) {
	db.SetDisk(models.Disk{Free: files.Free, Floor: int64(cfg.MinFreeDisk), Probe: files.Probe, Full: blobs.Full, Changed: func(why string) {
		if why != "" {
			log.Error("nothing can be saved: the server is read-only until there is room, or the disk takes writes again", "why", why)
			notify("STATUS=Read-only: " + why)
			return
		}
		log.Info("the server saves again")
		notify("STATUS=")
	}})
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(diskEvery)
		defer tick.Stop()
		for {
			db.Look(ctx)
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}
