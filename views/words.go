package views

import (
	"context"

	"github.com/a-h/templ"

	"zencrypt/lang"
)

// What the script says stands on the page as data-say- attributes. A value that only the script knows is {Name} there.

// words are what the script may say on any page.
func words(ctx context.Context) templ.Attributes {
	return templ.Attributes{
		"data-say-copied":         lang.T(ctx, "script.copied"),
		"data-say-not-copied":     lang.T(ctx, "script.not-copied"),
		"data-say-copy-yourself":  lang.T(ctx, "script.copy-yourself"),
		"data-say-show":           lang.T(ctx, "parts.show"),
		"data-say-hide":           lang.T(ctx, "script.hide"),
		"data-say-choose-all":     lang.T(ctx, "vault.choose-all"),
		"data-say-choose-none":    lang.T(ctx, "script.choose-none"),
		"data-say-no-answer":      lang.T(ctx, "script.no-answer"),
		"data-say-no-answer-why":  lang.T(ctx, "script.no-answer-why"),
		"data-say-refused":        lang.T(ctx, "script.refused", lang.Args{"Status": "{Status}"}),
		"data-say-refused-why":    lang.T(ctx, "script.refused-why"),
		"data-say-saved-to-vault": lang.T(ctx, "script.saved-to-vault"),
	}
}

// sendingWords are what it says on the page of a verb: about files, before they are sent and meanwhile.
func sendingWords(ctx context.Context) templ.Attributes {
	total := lang.Args{"Size": "{Size}", "Limit": "{Limit}"}
	number := lang.Args{"Number": "{Number}"}
	all := templ.Attributes{
		"data-say-point":           lang.T(ctx, "format.point"),
		"data-say-kib":             lang.T(ctx, "format.kib", number),
		"data-say-mib":             lang.T(ctx, "format.mib", number),
		"data-say-gib":             lang.T(ctx, "format.gib", number),
		"data-say-tib":             lang.T(ctx, "format.tib", number),
		"data-say-seconds-left":    lang.T(ctx, "script.seconds-left", lang.Args{"Seconds": "{Seconds}"}),
		"data-say-minutes-left":    lang.T(ctx, "script.minutes-left", lang.Args{"Minutes": "{Minutes}", "Seconds": "{Seconds}"}),
		"data-say-hours-left":      lang.T(ctx, "script.hours-left", lang.Args{"Hours": "{Hours}", "Minutes": "{Minutes}"}),
		"data-say-starting":        lang.T(ctx, "parts.starting"),
		"data-say-sent":            lang.T(ctx, "script.sent", lang.Args{"Size": "{Size}"}),
		"data-say-progress":        lang.T(ctx, "script.progress", lang.Args{"Done": "{Done}", "Size": "{Size}", "Speed": "{Speed}"}),
		"data-say-progress-left":   lang.T(ctx, "script.progress-left", lang.Args{"Done": "{Done}", "Size": "{Size}", "Speed": "{Speed}", "Left": "{Left}"}),
		"data-say-cancelled":       lang.T(ctx, "script.cancelled"),
		"data-say-cancelled-why":   lang.T(ctx, "script.cancelled-why"),
		"data-say-no-file":         lang.T(ctx, "script.no-file"),
		"data-say-no-file-why":     lang.T(ctx, "script.no-file-why"),
		"data-say-too-much":        lang.T(ctx, "script.too-much"),
		"data-say-too-much-why":    lang.T(ctx, "script.too-much-why", total),
		"data-say-no-space":        lang.T(ctx, "script.no-space"),
		"data-say-no-space-why":    lang.T(ctx, "script.no-space-why", lang.Args{"Size": "{Size}", "Left": "{Left}"}),
		"data-say-too-many":        lang.T(ctx, "script.too-many"),
		"data-say-long-text":       lang.T(ctx, "script.long-text"),
		"data-say-long-text-why":   lang.T(ctx, "script.long-text-why", total),
		"data-say-passphrase-made": lang.T(ctx, "script.passphrase-made"),
	}
	counted(ctx, all, "data-say-bytes", "format.bytes", nil)
	counted(ctx, all, "data-say-files", "script.files-chosen", lang.Args{"Size": "{Size}"})
	counted(ctx, all, "data-say-too-many-why", "script.too-many-why", nil)
	return all
}

// counted adds a text for each plural form: the script knows the number, and the browser which form it takes.
func counted(ctx context.Context, all templ.Attributes, name, id string, args lang.Args) {
	given := lang.Args{"Count": "{Count}"}
	for key, value := range args {
		given[key] = value
	}
	for form, text := range lang.Forms(ctx, id, given) {
		all[name+"-"+form] = text
	}
}

// passkeyWords are why a browser gave no passkey.
func passkeyWords(ctx context.Context) templ.Attributes {
	return templ.Attributes{
		"data-say-not-made":    lang.T(ctx, "script.passkey-not-made"),
		"data-say-no-answer":   lang.T(ctx, "script.passkey-no-answer"),
		"data-say-there":       lang.T(ctx, "script.passkey-there"),
		"data-say-not-allowed": lang.T(ctx, "script.passkey-not-allowed"),
		"data-say-cannot":      lang.T(ctx, "script.passkey-cannot"),
		"data-say-failed":      lang.T(ctx, "script.passkey-failed"),
	}
}
