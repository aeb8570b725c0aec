package handlers

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"time"

	"zencrypt/blobs"
	"zencrypt/models"
)

// Recover brings files and rows together after a start: a crash can leave a file whose row was never
// written. It runs before the first connection.
func (a *App) Recover(ctx context.Context) error {
	ctx = models.Unhurried(ctx)
	if err := a.sweep(ctx, 0); err != nil {
		return err
	}
	used, err := a.db.Items.UsageByAccount(ctx)
	if err != nil {
		return err
	}
	total := map[string]int64{}
	for id, n := range used {
		total["account:"+id.String()] += n
	}
	results, err := a.db.Results.UsageByOwner(ctx)
	if err != nil {
		return err
	}
	for owner, n := range results {
		total[owner] += n
	}
	for owner, n := range total {
		a.files.SetUsed(owner, n)
	}
	a.Clean(ctx)
	return nil
}

// sweep removes files that no row needs and that are older than age. Nothing younger than an hour is
// taken while the server runs: an upload's row comes after its file.
func (a *App) sweep(ctx context.Context, age time.Duration) error {
	kept, err := a.db.Items.Blobs(ctx)
	if err != nil {
		return err
	}
	waiting, err := a.db.Results.Blobs(ctx)
	if err != nil {
		return err
	}
	for area, rows := range map[blobs.Area]map[models.ID]struct{}{blobs.Blobs: kept, blobs.Spool: waiting} {
		if _, err := a.files.Sweep(area, func(id blobs.ID) bool { _, ok := rows[models.ID(id)]; return ok }, age); err != nil {
			return err
		}
	}
	return nil
}

// Clean removes what has expired and truncates the write-ahead logs, so that what was deleted is gone
// from the disk. It runs once a minute.
func (a *App) Clean(ctx context.Context) {
	check := func(what string, err error) {
		// At the end of the server it is cleaned once more, for which nothing stops.
		if err != nil && ctx.Err() == nil && !(models.ReadOnly(err) && a.db.Why() != "") {
			a.opt.Log.Error("cleaning failed; it is tried again in a minute", "what", what, "error", errorClass(err))
		}
	}
	ctx = models.Unhurried(ctx)
	a.ended.Range(func(id, _ any) bool {
		check("ended sessions", a.endSession(ctx, id.(models.ID)))
		return true
	})
	_, err := a.db.Sessions.Expire(ctx)
	check("sessions", err)
	gone, err := a.db.Results.Expire(ctx)
	check("results", err)
	a.dropResults(gone)
	purged, err := a.db.Items.Purge(ctx, a.opt.Now().Add(-models.UndoTime))
	check("deleted items", err)
	for _, p := range purged {
		if p.Blob != nil {
			a.dropBlobs([]models.ID{*p.Blob})
		}
		a.files.FreeOwner("account:"+p.Account.String(), p.Bytes)
	}
	check("transfers of suspended accounts", a.cutSuspended(ctx))
	check("invitations", a.db.Invitations.Expire(ctx))
	a.forgetRewraps()
	a.remember(ctx, check)
	check("files without a row", a.sweep(ctx, time.Hour))
	check("copies of before upgrades", a.db.PruneCopies())
	err = a.db.Upkeep(ctx)
	if errors.Is(err, models.ErrDamaged) {
		a.opt.Log.Error("the database is damaged: stop the server and restore a backup")
	}
	check("databases", err)
}

// panicPlace is the function and line where a panic began, without its text.
func panicPlace() string {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(4, pc)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "zencrypt/") {
			return f.Function + ":" + strconv.Itoa(f.Line)
		}
		if !more {
			return "unknown"
		}
	}
}
