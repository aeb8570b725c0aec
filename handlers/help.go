package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/views"
)

// help is the pages that explain; they are part of the program and the same for everybody.
type help struct{ *core }

// Index handles GET /help: the list of pages.
func (h *help) Index(x *fiber.Ctx) error {
	return h.render(x, fiber.StatusOK, sheet{title: "titles.help", Page: views.Page{Active: "help"}}, views.HelpIndex())
}

// Show handles GET /help/:topic: one page, 404 for a topic that there is not.
func (h *help) Show(x *fiber.Ctx) error {
	for _, t := range views.HelpTopics() {
		if t.Slug == x.Params("topic") {
			return h.render(x, fiber.StatusOK, sheet{Page: views.Page{Title: t.Title(x.UserContext()), Active: "help"}}, views.Help(t))
		}
	}
	return fiber.ErrNotFound
}
