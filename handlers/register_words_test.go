package handlers

import "testing"

// The words of the place are asked wherever a password is chosen.
func TestRegister_PlaceWords(t *testing.T) {
	s := newServer(t)
	const made = "hollowbrook1"
	c := s.client(t)
	c.post("/register", "login", "ada", "password", made, "password2", made).want(t, 422, "the name of this program or its address")
	c.post("/register", "login", "ada", "password", "zencrypt zencrypt", "password2", "zencrypt zencrypt").want(t, 422, "the name of this program or its address")
	code := c.register("ada")
	c.post("/account/password", "current", testPassword, "password", made, "password2", made).want(t, 422, "the name of this program or its address")
	s.client(t).post("/recover", "login", "ada", "code", code, "password", made, "password2", made).want(t, 422, "the name of this program or its address")
}
