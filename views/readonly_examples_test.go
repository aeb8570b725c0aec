package views

func readOnlyExamples() []example {
	user, guest := Page{Title: "Not saved", Active: "vault", Login: "mira", ReadOnly: "this server's disk is full"}, Page{Title: "Not saved", Guests: true, ReadOnly: "this server's disk refuses to write"}
	p := Problem{Title: "The server can't save at present", Detail: "The server's disk is full. Nothing was stored, and nothing that you saved before is lost.",
		Next: "Deleting what you no longer need makes room. Else tell whoever runs this server, and try again later."}
	kept := p
	kept.Typed = &Typed{Action: "/vault", File: true, Hidden: []Fact{{Name: "mode", Value: "text"}},
		Fields: []TypedField{{Name: "title", Label: "Its title", Value: hostile}, {Name: "text", Label: "Text", Long: true, Value: "\n" + hostile}}}
	return []example{
		{name: "readonly", page: guest, body: ProblemPage(p)},
		{name: "readonly-typed", page: user, body: ProblemPage(kept)},
	}
}
