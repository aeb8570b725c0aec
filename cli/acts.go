package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"zencrypt/audit"
	"zencrypt/models"
)

// acts keeps what administrators do, by page and by command: a line in the server log, and an event in the list of
// the person it was done to.
type acts struct {
	db  *models.DB
	log func(audit.Event) error
}

// actEvents are what a person's list calls an act. An account that is deleted has no list any more.
var actEvents = map[string]string{
	models.ActAdd:         models.EventAdminMade,
	models.ActSuspend:     models.EventAdminSuspended,
	models.ActResume:      models.EventAdminResumed,
	models.ActEndSessions: models.EventAdminSessions,
	models.ActQuota:       models.EventAdminQuota,
	models.ActMakeAdmin:   models.EventAdminRole,
	models.ActUnmakeAdmin: models.EventAdminNoRole,
	models.ActResetFactor: models.EventAdminFactor,
}

// RecordAct implements handlers.ActRecorder.
func (r acts) RecordAct(ctx context.Context, a models.Act) error {
	event := audit.Event{Name: "admin-" + a.What}
	if a.Account != (models.ID{}) {
		event.Account = a.Account.String()
	}
	if a.By != (models.ID{}) {
		event.By = a.By.String()
	}
	err := r.log(event)
	if kind, ok := actEvents[a.What]; ok && event.Account != "" {
		err = errors.Join(err, r.db.Activity.NoteAway(ctx, a.Account, &models.Event{Kind: kind}))
	}
	return err
}

// recordAct is where every act of the command line goes after it was done.
func (p place) recordAct(e *env, db *models.DB, what string, account models.ID) {
	record := acts{db, func(event audit.Event) error { return p.log(event) }}
	if err := record.RecordAct(e.ctx, models.Act{What: what, Account: account}); err != nil {
		e.warn("this is done, and could not be noted everywhere: " + err.Error())
	}
}

// answered is part of every command that does one thing and says what it was.
type answered struct {
	JSON bool `name:"json" help:"Print one JSON object."`
}

func (a answered) answer(e *env, text string, fields map[string]any) error {
	if a.JSON {
		return json.NewEncoder(e.stdout).Encode(fields)
	}
	_, err := fmt.Fprintln(e.stdout, text)
	return err
}
