package handlers

import (
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
	"zencrypt/views"
)

// pageOf cuts a page of most rows out of a list that is opened as a whole, since its names are sealed: of those in which
// holds finds the query's "q", from behind the one that "after" names. 404 for what is no id; behind one that is not in
// the list, it begins anew.
func pageOf[T any](x *fiber.Ctx, path string, all []T, most int, id func(*T) models.ID, holds func(*T, string) bool) (rows []T, p views.ListPages, err error) {
	p = views.ListPages{Path: path, Total: len(all), Query: strings.TrimSpace(printable(x.Query("q")))}
	if p.Query == "" {
		rows = all
	} else {
		for i := range all {
			if holds(&all[i], p.Query) {
				rows = append(rows, all[i])
			}
		}
	}
	p.Found = len(rows)
	to := func(after string) string {
		q := url.Values{}
		if p.Query != "" {
			q.Set("q", p.Query)
		}
		if after != "" {
			q.Set("after", after)
		}
		if len(q) == 0 {
			return path
		}
		return path + "?" + q.Encode()
	}
	if s := x.Query("after"); s != "" {
		after, err := models.ParseID(s)
		if err != nil {
			return nil, p, fiber.ErrNotFound
		}
		for i := range rows {
			if id(&rows[i]) == after {
				rows, p.First = rows[i+1:], to("")
				break
			}
		}
	}
	if len(rows) > most {
		rows = rows[:most]
		p.Next = to(id(&rows[most-1]).String())
	}
	return rows, p, nil
}
