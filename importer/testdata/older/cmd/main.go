// Command cmd makes data of an older Zencrypt, for trying an import out:
//
//	go run ./importer/testdata/older/cmd -accounts 1000 -texts 10000 v6 zencrypt.db
//	go run ./importer/testdata/older/cmd -form archive v5 DIR
package main

import (
	"flag"
	"fmt"
	"os"

	"zencrypt/importer/testdata/older"
)

func main() {
	var s older.Spec
	flag.Uint64Var(&s.Seed, "seed", 1, "what everything depends on")
	flag.IntVar(&s.Accounts, "accounts", 100, "accounts")
	flag.IntVar(&s.Texts, "texts", 1000, "encrypted texts")
	flag.IntVar(&s.Digests, "digests", 100, "digests")
	flag.IntVar(&s.Passwords, "passwords", 10, "accounts that can log in")
	form := flag.String("form", string(older.Dump), "of version 5: dump, dump-gzip, archive, archive-gzip or lines")
	flag.Parse()
	var err error
	switch {
	case flag.NArg() == 2 && flag.Arg(0) == "v6":
		err = s.V6(flag.Arg(1))
	case flag.NArg() == 2 && flag.Arg(0) == "v5":
		err = s.V5(flag.Arg(1), older.Form(*form))
	default:
		err = fmt.Errorf("name v6 and a file, or v5 and a folder")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for n := range min(s.Passwords, s.Accounts) {
		fmt.Printf("%s\t%s\n", s.Login(n), s.Password(n))
	}
}
