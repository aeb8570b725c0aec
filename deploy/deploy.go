// Package deploy holds the files that `zencrypt install` writes on a machine, inside the program.
package deploy

import _ "embed"

// Unit is the systemd unit of the server. It starts /usr/bin/zencrypt, where the Debian package puts it.
//
//go:embed zencrypt.service
var Unit string

// Socket lets systemd hold the server's socket, for who wants that.
//
//go:embed zencrypt.socket
var Socket string

// BackupUnit and BackupTimer back the data up each night.
//
//go:embed zencrypt-backup.service
var BackupUnit string

//go:embed zencrypt-backup.timer
var BackupTimer string

// Env is the first /etc/zencrypt.env: every line is a comment.
//
//go:embed zencrypt.env
var Env string
