package cli

import (
	"encoding/json"
	"fmt"

	"zencrypt/handlers"
	"zencrypt/models"
)

// actRecorder is who keeps what administrators do, by page and by command; nil where nobody does.
func actRecorder(*models.DB) handlers.ActRecorder { return nil }

// recordAct is where every act of the command line goes after it was done.
func recordAct(e *env, db *models.DB, what string, account models.ID) {
	r := actRecorder(db)
	if r == nil {
		return
	}
	if err := r.RecordAct(e.ctx, models.Act{What: what, Account: account}); err != nil {
		e.warn("record what was done: " + err.Error())
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
