package views

import "github.com/a-h/templ"

// HelpTopic is one page of the help.
type HelpTopic struct {
	Slug, Title, Summary string
	body                 func() templ.Component
}

// HelpTopics are the pages of the help in their order.
func HelpTopics() []HelpTopic {
	return []HelpTopic{
		{"formats", "Which format for what", "age, OpenPGP or Fernet, and what opens each.", helpFormats},
		{"passphrases", "Passphrases", "How long, how to pass them on, and what happens when one is lost.", helpPassphrases},
		{"keys", "Keys and versions", "Active, retired, revoked; when to rotate, and what renewing the vault does.", helpKeys},
		{"people", "People, and the first time", "Whose key is it? What adding somebody means, and why to compare.", helpPeople},
		{"lost", "Lost something?", "Password, device, recovery code, a key, or the server's own key.", helpLost},
		{"leaving", "Taking everything along", "The archive of all you have, without Zencrypt and in another one.", helpLeaving},
		{"moving", "Coming from an old Zencrypt", "Your old login, your old notes, and files of the old command line.", helpMoving},
		{"limits", "What Zencrypt can't do", "What no setting changes, said plainly.", helpLimits},
		{"tor", "Tor, and no scripts", "What works in Tor Browser at its safest level, and what the network sees.", helpTor},
		{"command-line", "The command line", "The same program in a terminal, for scripts and for files that never leave your machine.", helpCommandLine},
	}
}
