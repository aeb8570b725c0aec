package models

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// What holds keys or a person's words must not be printed by mistake: these types say
// so under fmt, slog and JSON.

const redacted = "[redacted]"

// Format implements fmt.Formatter.
func (u Unlocked) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue implements slog.LogValuer.
func (u Unlocked) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter: the keys stay out of logs.
func (s Session) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "session %v", s.ID) }

// Format implements fmt.Formatter: String would not be asked under %d.
func (ResultMeta) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (ResultMeta) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// openMeta is ResultMeta without its methods.
type openMeta ResultMeta

// LogValue implements slog.LogValuer.
func (ResultMeta) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter: the key stays out of logs.
func (b BlobRef) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "blob %v", b.ID) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (b BlobRef) MarshalJSON() ([]byte, error) { return json.Marshal("blob " + b.ID.String()) }

// LogValue implements slog.LogValuer.
func (b BlobRef) LogValue() slog.Value { return slog.StringValue("blob " + b.ID.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (i Item) MarshalJSON() ([]byte, error) { return json.Marshal("item " + i.ID.String()) }

// Format implements fmt.Formatter: what a person saved stays out of logs.
func (i Item) Format(s fmt.State, _ rune) { io.WriteString(s, "item "+i.ID.String()) }

// Format implements fmt.Formatter: what a person calls a key stays out of logs.
func (k Key) Format(s fmt.State, _ rune) { io.WriteString(s, "key "+k.ID.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (k Key) MarshalJSON() ([]byte, error) { return json.Marshal("key " + k.ID.String()) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue("key " + k.ID.String()) }

// Format implements fmt.Formatter.
func (i Imported) Format(s fmt.State, _ rune) { io.WriteString(s, "imported key "+i.Key.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (i Imported) MarshalJSON() ([]byte, error) {
	return json.Marshal("imported key " + i.Key.String())
}

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (p PairParams) MarshalJSON() ([]byte, error) { return json.Marshal("new " + p.Kind + " key") }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (ReadOptions) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Format implements fmt.Formatter.
func (p PairParams) Format(s fmt.State, _ rune) { io.WriteString(s, "new "+p.Kind+" key") }

// Format implements fmt.Formatter.
func (v KeyVersion) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (v KeyVersion) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue implements slog.LogValuer.
func (v KeyVersion) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter.
func (ServerKey) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (ServerKey) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue implements slog.LogValuer.
func (ServerKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter.
func (p PepperKeys) Format(s fmt.State, _ rune) { io.WriteString(s, "server key "+p.Active) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (p PepperKeys) MarshalJSON() ([]byte, error) { return json.Marshal("server key " + p.Active) }

// LogValue implements slog.LogValuer.
func (p PepperKeys) LogValue() slog.Value { return slog.StringValue("server key " + p.Active) }

// Format implements fmt.Formatter.
func (o Options) Format(s fmt.State, _ rune) { io.WriteString(s, "options of "+o.Dir) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal("options of " + o.Dir) }

// LogValue implements slog.LogValuer.
func (o Options) LogValue() slog.Value { return slog.StringValue("options of " + o.Dir) }

// Format implements fmt.Formatter; fmt could not redact the options inside.
func (db *DB) Format(s fmt.State, _ rune) { io.WriteString(s, "database of "+db.opts.Dir) }

// Format implements fmt.Formatter: it may hold a seed.
func (FactorState) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (FactorState) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// LogValue implements slog.LogValuer.
func (FactorState) LogValue() slog.Value { return slog.StringValue(redacted) }

// Format implements fmt.Formatter: what a person calls a passkey stays out of logs.
func (p Passkey) Format(s fmt.State, _ rune) { io.WriteString(s, "passkey "+p.ID.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (p Passkey) MarshalJSON() ([]byte, error) { return json.Marshal("passkey " + p.ID.String()) }

// LogValue implements slog.LogValuer.
func (p Passkey) LogValue() slog.Value { return slog.StringValue("passkey " + p.ID.String()) }
