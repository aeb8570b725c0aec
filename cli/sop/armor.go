package sop

import "zencrypt/crypto/pgp"

type armorCmd struct{}

func (*armorCmd) Run(j *job) error { return pgp.AddArmor(j.stdout, j.stdin) }

type dearmorCmd struct{}

func (*dearmorCmd) Run(j *job) error { return pgp.RemoveArmor(j.stdout, j.stdin) }
