package edge

import (
	"fmt"
	"strings"
	"time"
)

// Kind of an error; errors.Is(err, edge.ErrLimited) asks for it.
type Kind uint8

// The kinds, with their HTTP status and gRPC code.
const (
	ErrInternal        Kind = iota // 500, INTERNAL, and whatever is not known
	ErrInvalid                     // 400, INVALID_ARGUMENT: correct the request
	ErrUnauthenticated             // 401, UNAUTHENTICATED
	ErrForbidden                   // 403, PERMISSION_DENIED
	ErrNotFound                    // 404, NOT_FOUND: flow, model, analysis
	ErrConflict                    // 409, ABORTED
	ErrTooLarge                    // 413, 431: send less
	ErrUnsupported                 // 405, 415, 501, UNIMPLEMENTED
	ErrRefused                     // 422: a model does not fit what is asked of it
	ErrLimited                     // 429, RESOURCE_EXHAUSTED: come back after RetryAfter
	ErrUnavailable                 // 503, UNAVAILABLE, no connection
	ErrDeadline                    // 408, 504, DEADLINE_EXCEEDED, the context's deadline
	ErrCancelled                   // CANCELLED, the context was cancelled
	ErrStorage                     // 507: the server's disk is full
	ErrProtocol                    // an answer that is none of the contract
)

var kindNames = [...]string{"internal error", "invalid request", "not authenticated", "forbidden", "not found", "conflict",
	"too large", "not supported", "refused", "over a limit", "unavailable", "deadline exceeded", "cancelled",
	"server's storage is full", "not understood"}

func (k Kind) Error() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// FieldProblem says what is wrong at one place of a request.
type FieldProblem struct {
	Where   string `json:"where"` // "windows[3].features[7]"
	Problem string `json:"problem"`
}

// Error is what the clients fail with.
type Error struct {
	Op         string // "POST /v1/classify", "Classify"
	Kind       Kind
	Detail     string         // where, what was found, what was expected
	Fields     []FieldProblem // REST, of ErrInvalid
	Type       string         // REST: "/problems/queue-full"
	HTTPStatus int            // 0 over gRPC
	RequestID  string         // REST: also in the server's log
	RetryAfter time.Duration  // when to come back, where the server says so
	NotTaken   bool           // the server says that it did nothing of the request
	Attempts   int            // how often it was tried
	Cause      error          // what lies below, such as context.DeadlineExceeded
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("edge: ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Kind.Error())
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	if e.RequestID != "" {
		b.WriteString(" (request ")
		b.WriteString(e.RequestID)
		b.WriteString(")")
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " after %d attempts", e.Attempts)
	}
	return b.String()
}

// Unwrap gives what lies below.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is this error's Kind.
func (e *Error) Is(target error) bool {
	kind, ok := target.(Kind)
	return ok && kind == e.Kind
}

// Temporary reports whether the same request may succeed later.
func (e *Error) Temporary() bool { return e.Kind == ErrLimited || e.Kind == ErrUnavailable }
