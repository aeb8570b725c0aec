package handlers

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"time"

	"zencrypt/models"
)

// exportedEvent is an entry of a person's list in activity/activity.json. Name is as the key or item was called then.
type exportedEvent struct {
	Time       time.Time  `json:"time"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name,omitempty"`
	Count      int        `json:"count,omitempty"` // of failures, since First
	First      *time.Time `json:"first,omitempty"`
	Unreadable bool       `json:"unreadable,omitempty"`
}

// writeActivity writes a person's list as a JSON array, newest first, page by page.
func (c *core) writeActivity(ctx context.Context, u *models.Unlocked, w io.Writer) error {
	out := bufio.NewWriter(w)
	sep := "[\n"
	for before := (models.Cursor{}); ; {
		events, next, err := c.db.Activity.List(ctx, u, before, 500)
		if err != nil {
			return err
		}
		for _, e := range events {
			row := exportedEvent{Time: e.Created.UTC(), Kind: e.Kind, Name: e.Name, Count: e.Count, Unreadable: e.Unreadable}
			if !e.First.IsZero() {
				first := e.First.UTC()
				row.First = &first
			}
			line, err := json.Marshal(row)
			if err != nil {
				return err
			}
			_, _ = out.WriteString(sep) // Flush says what went wrong
			_, _ = out.Write(line)
			sep = ",\n"
		}
		if next == nil {
			break
		}
		before = *next
	}
	if sep == "[\n" {
		_, _ = out.WriteString("[")
	}
	_, _ = out.WriteString("\n]\n")
	return out.Flush()
}

// noteTakeout puts an export into the person's list as it begins.
func (c *core) noteTakeout(ctx context.Context, u *models.Unlocked) error {
	c.noteEvent(ctx, u, nil, models.Event{Kind: models.EventAccountExported})
	return nil
}
