package models

import (
	"errors"
	"fmt"
)

// Code says what kind of failure an Error is; handlers turn it into a status.
type Code string

// The codes, with the HTTP status that fits each.
const (
	Invalid      Code = "invalid"      // 422: a field is wrong, Error.Field names it
	Unauthorized Code = "unauthorized" // 401 or 422: wrong password, ended session
	NotFound     Code = "not_found"    // 404: not there, or not yours
	Conflict     Code = "conflict"     // 409: taken, or changed by somebody meanwhile
	Suspended    Code = "suspended"    // 403: the account may not be used for now
	Gone         Code = "gone"         // 410: was there and has expired
	Unavailable  Code = "unavailable"  // 503: disk full, database busy
	Internal     Code = "internal"     // 500: anything else
)

// Error is a failure that a person may read. Message never holds a secret
// value or what the person typed; Err is for the log.
type Error struct {
	Code    Code
	Field   string // the form field at fault, or ""
	Message string
	Err     error
	// Format and Values are what Errorf made Message of, for whoever says it in another language. Message is the English.
	Format string
	Values []any
}

// Error returns the message, with the cause where there is one.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error without a cause; the message is for a person.
func Errorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...), Format: format, Values: args}
}

// ErrorCode returns the code of the first Error in err's chain, Internal for any
// other error and "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Internal
}

// ErrorMessage returns what a person may be told: the message of the first Error
// in err's chain, "internal error" for Internal and for anything else, "" for nil.
func ErrorMessage(err error) string {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Code != Internal && e.Message != "" {
		return e.Message
	}
	return "internal error"
}

// fail makes an Error with a cause that only the log sees.
func fail(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, Err: cause}
}
