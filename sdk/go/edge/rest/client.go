// Package rest is a client of the edge server's REST interface, in pure Go.
package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"reelsense.dev/go/edge"
)

// Options of a client. The zero value: no key, Go's own certificates, the default retries.
type Options struct {
	APIKey     string      // sent as a bearer token
	TLS        *tls.Config // for certificates of your own; not together with HTTPClient
	HTTPClient *http.Client
	Retry      edge.Retry
	UserAgent  string // empty: "reelsense-go"

	// SendKeyInTheClear allows an API key over http:// to another machine.
	SendKeyInTheClear bool
}

// Client is safe for concurrent use; make one and keep it. Every call takes a context: its deadline goes to the server
// (X-Timeout-Ms), its cancellation ends the request.
type Client struct {
	base    *url.URL
	http    *http.Client
	options Options
}

var _ edge.Classifier = (*Client)(nil)

const (
	maxAnswer  = 64 << 20
	maxProblem = 64 << 10
)

// New makes a client of the server at base, "https://edge.example:8080". It does not connect yet.
func New(base string, options Options) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("rest: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("rest: the server's URL is %q, one like https://edge.example:8080 is expected", base)
	}
	if options.APIKey != "" && u.Scheme == "http" && !options.SendKeyInTheClear && !edge.KeyMayGo(u.Host) {
		return nil, fmt.Errorf("rest: the API key would go to %s unencrypted; use https", u.Host)
	}
	if strings.ContainsAny(options.APIKey, "\r\n\x00") {
		return nil, errors.New("rest: the API key holds a line break; was it read from a file with its last line's end?")
	}
	client := options.HTTPClient
	if client == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 32
		transport.TLSClientConfig = options.TLS
		client = &http.Client{Transport: transport}
	} else if options.TLS != nil {
		return nil, errors.New("rest: TLS and HTTPClient are both given; set TLS in the HTTPClient's transport")
	}
	if options.UserAgent == "" {
		options.UserAgent = "reelsense-go"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return &Client{base: u, http: client, options: options}, nil
}

// Close lets idle connections go.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// call is one request: what to send, and where the answer goes.
type call struct {
	method, path string // path: already escaped, with its query
	contentType  string
	body         []byte
	stream       io.Reader // instead of body; then it is sent once only
	repeatable   bool
	answer       any                        // decoded from JSON, unless nil
	accept       func(*http.Response) error // instead of answer; the body is closed after it
}

func (c *Client) do(ctx context.Context, k *call) error {
	retry := c.options.Retry
	if k.stream != nil {
		retry.Attempts = 1
	}
	return retry.Do(ctx, k.repeatable, func(ctx context.Context) error { return c.once(ctx, k) })
}

func (c *Client) once(ctx context.Context, k *call) error {
	op := k.method + " " + strings.SplitN(k.path, "?", 2)[0]
	body := k.stream
	if body == nil && k.body != nil {
		body = bytes.NewReader(k.body)
	}
	request, err := http.NewRequestWithContext(ctx, k.method, c.base.String()+k.path, body)
	if err != nil {
		return &edge.Error{Op: op, Kind: edge.ErrInvalid, Detail: err.Error(), Cause: err}
	}
	c.setHeaders(ctx, request, k.contentType)
	response, err := c.http.Do(request)
	if err != nil {
		return transportError(ctx, op, err)
	}
	defer func() {
		_, _ = io.CopyN(io.Discard, response.Body, maxProblem) // so that the connection can be used again
		_ = response.Body.Close()
	}()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return problem(op, response)
	}
	if k.accept != nil {
		return k.accept(response)
	}
	if k.answer == nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return transportError(ctx, op, err)
	}
	if len(text) > maxAnswer {
		return &edge.Error{Op: op, Kind: edge.ErrProtocol, Detail: fmt.Sprintf("the answer is over %d bytes", maxAnswer)}
	}
	if err := json.Unmarshal(text, k.answer); err != nil {
		return &edge.Error{Op: op, Kind: edge.ErrProtocol, Detail: "the answer is not the JSON expected: " + err.Error(),
			HTTPStatus: response.StatusCode, Cause: err}
	}
	return nil
}

func (c *Client) setHeaders(ctx context.Context, request *http.Request, contentType string) {
	request.Header.Set("User-Agent", c.options.UserAgent)
	request.Header.Set("Accept", "application/json, application/problem+json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.options.APIKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.options.APIKey)
	}
	if deadline, ok := ctx.Deadline(); ok {
		const most = 600_000 // what the server takes
		ms := time.Until(deadline).Milliseconds()
		if ms < 1 {
			ms = 1
		}
		if ms <= most {
			request.Header.Set("X-Timeout-Ms", strconv.FormatInt(ms, 10))
		}
	}
}

// transportError is one without an answer.
func transportError(ctx context.Context, op string, err error) error {
	e := &edge.Error{Op: op, Kind: edge.ErrUnavailable, Detail: err.Error(), Cause: err}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind, e.Cause = edge.ErrCancelled, context.Canceled
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Cause = edge.ErrDeadline, context.DeadlineExceeded
	}
	return e
}
