package views

import "context"

func leavingExamples() []example {
	page := on(user, "account", "Take everything with you")
	f := ExportForm{Login: "Mira", To: "passphrase", Suggestion: "outpost-drizzle-unfunded-cobalt-ream-shrubs-plaza-vocal-mummy-igloo",
		Keys: []Choice{{"k1", "laptop"}, {"k2", hostile}}, Holds: Holds{Items: 1042, Bytes: 7 << 30, Keys: 5, KeyVersions: 12, People: 1}}
	wrong := f
	wrong.To, wrong.Key, wrong.Recipient = "recipient", "k2", hostile
	wrong.Errors = Fields{"to": "Choose what opens the archive.", "passphrase": "The passphrase is too easy to guess: dates are easy to guess.", "passphrase2": "The two differ.",
		"key": "Choose one of your age keys.", "recipient": "Not one public key.", "current": "The password is wrong.", "": "Something else."}
	bare := f
	bare.Keys, bare.Holds = nil, Holds{}
	list := []example{
		{name: "export", page: page, body: Export(f)},
		{name: "export-errors", page: page, body: Export(wrong)},
		{name: "export-bare", page: page, body: Export(bare)},
		{name: "help", page: on(guest, "help", "Help"), body: HelpIndex()},
	}
	for _, t := range HelpTopics() {
		list = append(list, example{name: "help-" + t.Slug, page: on(guest, "help", t.Title(context.Background())), body: Help(t)})
	}
	return list
}
