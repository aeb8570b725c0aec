package importer

import (
	"math"
	"strings"
	"time"
)

// layouts are the forms in which a date may stand, fractions of a second allowed in each. Without a
// zone it is UTC, as the old programs wrote.
var layouts = []string{
	"2006-01-02 15:04:05",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z0700",
	"2006-01-02 15:04:05 Z0700",
	"2006-01-02T15:04:05Z07",
	"2006-01-02 15:04:05Z07",
	"2006/01/02 15:04:05",
	"2006-01-02 15:04",
	"2006-01-02T15:04",
	"2006-01-02",
	time.RFC1123,
	time.RFC1123Z,
	time.ANSIC,
}

// These bound a date that is believed: before and after, it is a mistake.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 1, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// parseTime reads a date in UTC from text, or from a number of seconds, milliseconds, microseconds or nanoseconds since 1970. It is
// false for what is no date.
func parseTime(v any) (time.Time, bool) {
	var t time.Time
	switch v := v.(type) {
	case string:
		t = parseTimeText(v)
	case []byte:
		t = parseTimeText(string(v))
	case int32:
		return parseTime(int64(v))
	case int64:
		switch n := max(v, -v); {
		case n < 1e11:
			t = time.Unix(v, 0)
		case n < 1e14:
			t = time.UnixMilli(v)
		case n < 1e17:
			t = time.UnixMicro(v)
		default:
			t = time.Unix(0, v)
		}
	case float64:
		if math.Abs(v) < 1e11 {
			sec, frac := math.Modf(v)
			t = time.Unix(int64(sec), int64(math.Round(frac*1e6))*1000)
		} else if math.Abs(v) < 1e18 {
			return parseTime(int64(v))
		}
	case time.Time:
		t = v
	}
	if t.Before(earliest) || !t.Before(latest) {
		return time.Time{}, false
	}
	return t.UTC(), true
}

func parseTimeText(s string) time.Time {
	s = strings.TrimSpace(s)
	if len(s) > 64 {
		return time.Time{}
	}
	for _, suffix := range []string{" UTC", " utc", " GMT", "z"} {
		if cut, ok := strings.CutSuffix(s, suffix); ok && strings.HasPrefix(s, "2") {
			s = cut
		}
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
