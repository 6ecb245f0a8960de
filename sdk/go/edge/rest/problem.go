package rest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"reelsense.dev/go/edge"
)

var kinds = map[int]edge.Kind{
	400: edge.ErrInvalid, 401: edge.ErrUnauthenticated, 403: edge.ErrForbidden, 404: edge.ErrNotFound,
	405: edge.ErrUnsupported, 408: edge.ErrDeadline, 409: edge.ErrConflict, 413: edge.ErrTooLarge,
	415: edge.ErrUnsupported, 422: edge.ErrRefused, 429: edge.ErrLimited, 431: edge.ErrTooLarge,
	500: edge.ErrInternal, 501: edge.ErrUnsupported, 502: edge.ErrUnavailable, 503: edge.ErrUnavailable,
	504: edge.ErrDeadline, 507: edge.ErrStorage,
}

// problem reads an answer that is no success: RFC 9457, or whatever a proxy says.
func problem(op string, response *http.Response) error {
	e := &edge.Error{Op: op, HTTPStatus: response.StatusCode, RequestID: response.Header.Get("X-Request-Id")}
	kind, known := kinds[response.StatusCode]
	switch {
	case known:
		e.Kind = kind
	case response.StatusCode >= 400 && response.StatusCode < 500:
		e.Kind = edge.ErrInvalid
	case response.StatusCode < 400:
		e.Kind = edge.ErrProtocol
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	var p struct {
		Type      string              `json:"type"`
		Title     string              `json:"title"`
		Detail    string              `json:"detail"`
		Errors    []edge.FieldProblem `json:"errors"`
		RequestID string              `json:"request_id"`
	}
	ours := strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json")
	if err == nil && ours && json.Unmarshal(text, &p) == nil {
		e.Type, e.Fields, e.Detail = p.Type, p.Errors, p.Detail
		if e.Detail == "" {
			e.Detail = p.Title
		}
		if p.RequestID != "" {
			e.RequestID = p.RequestID
		}
	} else {
		e.Detail = "HTTP " + response.Status
	}
	// Both are said before anything is done; a proxy's 502 is not.
	e.NotTaken = response.StatusCode == 429 || response.StatusCode == 503
	e.RetryAfter = retryAfter(response.Header, time.Now())
	return e
}

// retryAfter reads Retry-After-Ms, or Retry-After as seconds or as a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseUint(header.Get("Retry-After-Ms"), 10, 31); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	text := header.Get("Retry-After")
	if s, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(s) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
