package views

import (
	"context"
	"io"

	"github.com/a-h/templ"

	"zencrypt/lang"
)

// rich writes a text of the catalogue whose marks <1>, <2>, ... stand for elements, in whatever order the language
// puts them. What is in a mark becomes the element's children. Only the elements are markup: the text is escaped.
func rich(id string, args lang.Args, elements ...templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return writePieces(templ.ClearChildren(ctx), w, lang.Pieces(ctx, id, args), elements)
	})
}

func writePieces(ctx context.Context, w io.Writer, all []lang.Piece, elements []templ.Component) error {
	for _, p := range all {
		inside := templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
			return writePieces(templ.ClearChildren(ctx), w, p.Inside, elements)
		})
		var err error
		switch {
		case p.Element == 0:
			_, err = io.WriteString(w, templ.EscapeString(p.Text))
		case p.Element > len(elements):
			err = inside.Render(ctx, w) // the words are worth more than the element
		default:
			err = elements[p.Element-1].Render(templ.WithChildren(ctx, inside), w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
