package views

import (
	"context"

	"github.com/a-h/templ"

	"zencrypt/lang"
)

// HelpTopic is one page of the help.
type HelpTopic struct {
	Slug           string
	title, summary string // ids
	body           func() templ.Component
}

// Title is the name of the page in the language of ctx.
func (t HelpTopic) Title(ctx context.Context) string { return lang.T(ctx, t.title) }

// HelpTopics are the pages of the help in their order.
func HelpTopics() []HelpTopic {
	return []HelpTopic{
		{"formats", "help.title-formats", "help.summary-formats", helpFormats},
		{"passphrases", "help.title-passphrases", "help.summary-passphrases", helpPassphrases},
		{"keys", "help.title-keys", "help.summary-keys", helpKeys},
		{"people", "help.title-people", "help.summary-people", helpPeople},
		{"lost", "help.title-lost", "help.summary-lost", helpLost},
		{"leaving", "help.title-leaving", "help.summary-leaving", helpLeaving},
		{"moving", "help.title-moving", "help.summary-moving", helpMoving},
		{"limits", "help.title-limits", "help.summary-limits", helpLimits},
		{"tor", "help.title-tor", "help.summary-tor", helpTor},
		{"command-line", "help.title-command-line", "help.summary-command-line", helpCommandLine},
	}
}
