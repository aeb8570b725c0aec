// Zencrypt hashes, encrypts, decrypts and keeps text and files, in the browser and on the command line,
// on a machine you own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"zencrypt/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks; from then on signals do what they always do, so a second one ends the program.
	context.AfterFunc(ctx, stop)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
