package reelsense

import (
	"errors"

	"reelsense.dev/go/internal/capi"
)

// Status says what kind of error it is; errors.Is(err, reelsense.ErrClosed) asks for it.
type Status uint32

// The kinds of errors.
const (
	ErrInvalidArgument = Status(1) // an argument out of its range
	ErrCorrupt         = Status(2) // bytes that do not follow their format: a damaged model or feedback file
	ErrUnsupported     = Status(3) // well-formed, but not something this build reads
	ErrMismatch        = Status(4) // two things that must agree do not: schema hash, view of model and call
	ErrLimit           = Status(5) // over a documented bound: table, buffer or queue full
	ErrBusy            = Status(6) // the handle is in use elsewhere
	ErrClosed          = Status(7) // the flow, or the classifier itself, was closed or evicted
	ErrMemory          = Status(8) // the system gave no memory
)

// Error gives the status's name in the C ABI, "RS_CLOSED".
func (s Status) Error() string { return capi.StatusName(capi.Status(s)) }

// Error is what every function of this package fails with.
type Error struct {
	Op     string // "load model"
	Status Status
	Detail string // what was wrong, where, and what was expected; may be empty
}

func (e *Error) Error() string {
	text := "reelsense: " + e.Op + ": " + e.Status.Error()
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap gives the Status.
func (e *Error) Unwrap() error { return e.Status }

func failure(op string, status capi.Status, detail string) error {
	if status == 0 {
		return nil
	}
	return &Error{Op: op, Status: Status(status), Detail: detail}
}

// IsClosed reports whether err says that a flow or a handle was closed.
func IsClosed(err error) bool { return errors.Is(err, ErrClosed) }
