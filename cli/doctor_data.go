package cli

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/blobs"
	"zencrypt/models"
	"zencrypt/secrets"
)

// How old the last backup may be: a timer runs each night, people each week.
const (
	backupLate = 8 * 24 * time.Hour
	backupOld  = 31 * 24 * time.Hour
)

// checkKeys looks whether the server keys at hand are those that the database needs.
func checkKeys(v *visit) error {
	ring, err := existingKeys(v.cfg)
	if err != nil {
		do := "put the key back that was used with this database, or name its directory with --secrets"
		if errors.Is(err, secrets.ErrShared) {
			do = "type what it says; if others may have seen the key, exchange it: zencrypt secrets rotate"
		}
		v.bad(do, "%v", err)
		return nil
	}
	in, err := v.inspection()
	if err != nil {
		return err
	}
	switch {
	case !in.Read:
		v.untold("whether server key " + ring.Active.Fingerprint + " is the right one")
		return nil
	case in.ActiveKey == "":
		v.note("start the server once", "the database knows no server key yet; %s is at hand", ring.Active.Fingerprint)
	case in.ActiveKey == ring.Active.Fingerprint:
		v.ok("server key %s in %s is the one that the database knows", ring.Active.Fingerprint, absolute(ring.Dir))
	case slices.ContainsFunc(ring.All(), func(k secrets.Key) bool { return k.Fingerprint == in.ActiveKey }):
		v.note("restart the server", "server key %s is new: the database was last opened with %s, which is there too", ring.Active.Fingerprint, in.ActiveKey)
	}
	needed := map[string]bool{}
	for _, u := range in.Keys {
		needed[u.Fingerprint] = u.Accounts+u.RetiredLogins > 0 // also of one that was lost, and found
		if u.Lost {
			continue
		}
		if _, there := ring.ByFingerprint(u.Fingerprint); !there && (needed[u.Fingerprint] || u.Fingerprint == in.ActiveKey) {
			v.bad("put it back beside the others as zencrypt_key.N; if it is gone for good, see 'zencrypt secrets init --lost --help'",
				"server key %s is missing: %d accounts and %d given-up logins depend on it", u.Fingerprint, u.Accounts, u.RetiredLogins)
		}
	}
	for _, k := range ring.Older {
		switch {
		case k.Fingerprint == ring.Active.Fingerprint:
			v.note(fmt.Sprintf("zencrypt secrets rotate, which goes on from it, or zencrypt secrets remove %d", k.Version),
				"zencrypt_key.%d is a copy of the active key: an exchange was cut short", k.Version)
		case needed[k.Fingerprint]:
			v.ok("older server key %s (zencrypt_key.%d) is needed, and is there", k.Fingerprint, k.Version)
		case k.Fingerprint == in.ActiveKey: // nobody depends on it yet, but the server that runs does: the note above says to restart
		default:
			v.note(fmt.Sprintf("zencrypt secrets remove %d, unless older backups need it", k.Version), "older server key %s (zencrypt_key.%d) is not needed any more", k.Fingerprint, k.Version)
		}
	}
	return nil
}

// checkDatabase looks through both databases and, when that is asked for, at every file of the vault.
func checkDatabase(v *visit) error {
	in, err := v.inspection()
	if err != nil {
		return err
	}
	for _, d := range in.Databases {
		v.database(d)
	}
	switch {
	case !in.Read:
		v.note("", "the files of the vault were not compared with the rows that name them, which can't be read")
		return nil
	case v.deep:
		return v.blobs(in)
	}
	v.note("zencrypt doctor --deep", "the files of the vault were not compared with the rows that name them")
	return nil
}

func (v *visit) database(d models.InspectedDatabase) {
	damaged := func(do, format string, args ...any) {
		v.add(diagnosis{Level: levelBad, Text: d.Name + " " + fmt.Sprintf(format, args...), Do: do, exit: exitDamaged})
	}
	const restore = "stop the server, keep a copy of the data as it is, and restore the last backup: docs/OPERATE.md, The drill"
	switch {
	case d.Missing && d.Name == "sessions.db":
		v.note("", "%s is not there: everybody logs in anew", d.Name)
		return
	case d.Missing:
		damaged(restore, "is not there")
		return
	case d.Err != nil:
		damaged("run this as the server's user or as root; if it stays, "+restore, "can't be read: %v", d.Err)
		return
	}
	for _, p := range d.Problems {
		damaged(restore, "is damaged: %s", p)
	}
	if d.Orphans > 0 {
		damaged("stop the server and tell its makers; a backup from before has it right", "has %d rows that belong to rows which are not there", d.Orphans)
	}
	if len(d.Problems) == 0 && d.Orphans == 0 {
		v.ok("%s is whole (%s)", d.Name, map[bool]string{false: "quick_check", true: "integrity_check"}[v.deep])
	}
	if len(d.Newer) > 0 {
		v.bad("start the newer version again, or go back as docs/OPERATE.md says under Upgrades", "%s was changed by a newer version than this program: %s", d.Name, strings.Join(d.Newer, ", "))
	}
	if len(d.Pending) > 0 {
		v.note("start the server with this version: it copies the database first", "%s waits for %d migrations of this version: %s", d.Name, len(d.Pending), strings.Join(d.Pending, ", "))
	}
	if d.Log > 0 {
		v.note("start the server: it takes the log up, nothing is lost", "%s has a log of %s: the server did not stop by itself", d.Name, humanize.IBytes(uint64(d.Log)))
	}
}

// blobs compares the files of the vault and the spool with the rows that name them.
func (v *visit) blobs(in *models.Inspection) error {
	for area, rows := range []map[models.ID]models.NamedBlob{blobs.Blobs: in.Blobs, blobs.Spool: in.Results} {
		area := blobs.Area(area)
		left := map[models.ID]models.NamedBlob{}
		for id, b := range rows {
			left[id] = b
		}
		var extra, short int
		err := blobs.List(filepath.Join(v.cfg.Data, area.String()), func(id blobs.ID, size int64) {
			b, named := left[models.ID(id)]
			delete(left, models.ID(id))
			switch {
			case !named:
				extra++
			case b.Body && size > b.Disk, !b.Body && size != b.Disk-rowBytes && size != b.Disk:
				if short++; short <= fewFindings {
					v.add(diagnosis{Level: levelBad, exit: exitDamaged, Do: "restore it from a backup: docs/OPERATE.md, The drill",
						Text: fmt.Sprintf("%s/%s has %d bytes, and its row says %d", area, id, size, b.Disk-rowBytes)})
				}
			}
		})
		if err != nil {
			return err
		}
		if area == blobs.Spool && v.running {
			continue // results come and go between the two looks
		}
		if v.running && len(left) > 0 {
			// Items that were deleted or rewrapped since the first look: their rows are others by now.
			v.inspected = nil
			again, err := v.inspection()
			if err != nil {
				return err
			}
			maps.DeleteFunc(left, func(id models.ID, _ models.NamedBlob) bool {
				_, named := again.Blobs[id]
				_, err := os.Stat(filepath.Join(v.cfg.Data, area.String(), blobs.ID(id).String()))
				return !named || err == nil
			})
		}
		missing := 0
		for id := range left {
			if missing++; missing <= fewFindings {
				v.add(diagnosis{Level: levelBad, exit: exitDamaged, Do: "restore it from a backup: docs/OPERATE.md, The drill",
					Text: fmt.Sprintf("%s/%x is missing, and a row names it", area, id[:])})
			}
		}
		if n := max(short-fewFindings, 0) + max(missing-fewFindings, 0); n > 0 {
			v.add(diagnosis{Level: levelBad, Text: fmt.Sprintf("%d more such files of %s are not listed", n, area), exit: exitDamaged})
		}
		if missing == 0 && short == 0 {
			v.ok("files in %s: %d, each with the size that its row says", area, len(rows))
		}
		if extra > 0 {
			v.note("nothing: the server removes them when they are an hour old, and at its start", "files in %s that no row names: %d", area, extra)
		}
	}
	return nil
}

// checkBackup looks at what the database knows of the last backup.
func checkBackup(v *visit) error {
	in, err := v.inspection()
	if err != nil {
		return err
	}
	const do = "zencrypt backup, or the timer zencrypt-backup.timer: docs/OPERATE.md, Backup"
	if !in.Read {
		v.untold("when the last backup was made")
		return nil
	}
	if in.Backup == nil {
		v.note(do, "no backup was made of this database yet")
	} else {
		age := v.now.Sub(in.Backup.Time)
		text := fmt.Sprintf("the last backup is of %s, %s ago", in.Backup.Time.UTC().Format(time.RFC3339), days(age))
		switch {
		case age < -time.Hour:
			v.bad("set the clock right", "the last backup is of %s: that is to come", in.Backup.Time.UTC().Format(time.RFC3339))
		case age > backupOld:
			v.bad(do, "%s", text)
		case age > backupLate:
			v.note(do, "%s", text)
		default:
			v.ok("%s", text)
		}
		if !in.Backup.Encrypted {
			v.note("name a public key with -r or -R", "the last backup is not encrypted: logins, sizes and times can be read in it")
		}
	}
	if r := in.Restored; r != nil {
		v.ok("this database was restored on %s, from a backup of %s", r.At.UTC().Format(time.DateOnly), r.Of.UTC().Format(time.DateOnly))
	}
	return nil
}

// fewFindings is how many findings of one kind are listed one by one.
const fewFindings = 5

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", max(d, 0)/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
