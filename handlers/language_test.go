package handlers

import (
	"strings"
	"testing"
	"testing/fstest"

	"zencrypt/lang"
)

// german is a catalogue with a second language that has hardly a text.
func german(t *testing.T) *lang.Catalogue {
	t.Helper()
	c, err := lang.Load(fstest.MapFS{
		"en.json": {Data: []byte(`{"language.name": "English", "settings.language": "Language", "settings.language-hint": "Kept in this browser alone.",
			"settings.no-language": "No such language", "settings.no-language-detail": "Choose one of those on the settings page."}`)},
		"de.json": {Data: []byte(`{"language.name": "Deutsch", "settings.language": "Sprache"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestLanguage: what a person chose counts before what the browser asks for, and what a language lacks is English.
func TestLanguage(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Languages = german(t) })
	c := s.client(t)
	c.register("mira")
	c.get("/settings").want(t, 200, `<html lang="en"`, ">Language<", "Kept in this browser alone.", `value="de" lang="de" aria-pressed="false"`)

	c.accept = "fr, de-AT;q=0.8, en;q=0.1"
	c.get("/settings").want(t, 200, `<html lang="de"`, ">Sprache<", "Kept in this browser alone.", `value="de" lang="de" aria-pressed="true"`)
	c.get("/nowhere").want(t, 404, `<html lang="de"`) // also what no route answers

	if to := c.post("/language", "language", "en", "next", "/settings").want(t, 303).Header.Get("Location"); to != "/settings" {
		t.Errorf("goes on to %q", to)
	}
	c.get("/settings").want(t, 200, `<html lang="en"`, ">Language<")
	c.post("/language", "language", "xx").want(t, 422, "No such language")
	if to := c.post("/language", "language", "de", "next", "//elsewhere.example/").want(t, 303).Header.Get("Location"); to != "/" {
		t.Errorf("goes on to %q", to)
	}
	c.accept = "en"
	c.get("/settings").want(t, 200, `<html lang="de"`)
}

// TestLanguage_Alone: with one language there is nothing to choose and nothing changes the page.
func TestLanguage_Alone(t *testing.T) {
	alone, err := lang.Load(fstest.MapFS{"en.json": {Data: lang.English()}})
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, func(o *Options) { o.Languages = alone })
	c := s.client(t)
	c.register("mira")
	c.accept = "de"
	a := c.get("/settings").want(t, 200, `<html lang="en"`)
	if strings.Contains(a.body, `action="/language"`) {
		t.Error("a choice of one is offered")
	}
}
