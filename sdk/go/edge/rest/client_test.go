package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reelsense.dev/go/edge"
)

func client(t *testing.T, handler http.HandlerFunc, options Options) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	if options.Retry.Base == 0 {
		options.Retry = edge.Retry{Base: time.Millisecond, Max: time.Second}
	}
	c, err := New(server.URL, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

const oneLabel = `{"model":"m@1","labels":[{"flow":"a","second":1,"label":"video","confidence":0.9,"probability":0.9,
	"uncertain":false,"queue_us":1,"compute_us":2},{"flow":"a","second":0,"error":"out_of_order"}]}`

var windowRequest = &edge.Request{Windows: []edge.Window{{Flow: "a", Second: 1, Features: []float32{0.1, 2}}}}
var packetRequest = &edge.Request{Flows: []edge.FlowPackets{{Flow: "a", Packets: []edge.Packet{{TimeNS: 1}}}}}

func TestClassify_Limited_ComesBackWhenTold(t *testing.T) {
	for _, header := range []string{"Retry-After", "Retry-After-Ms"} {
		var calls atomic.Int32
		var first, second time.Time
		c := client(t, func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) == 1 {
				first = time.Now()
				w.Header().Set(header, map[string]string{"Retry-After": "1", "Retry-After-Ms": "150"}[header])
				answer(w, 429, "application/problem+json", `{"type":"/problems/queue-full","title":"full","status":429}`)
				return
			}
			second = time.Now()
			answer(w, 200, "application/json", oneLabel)
		}, Options{Retry: edge.Retry{Base: time.Millisecond, Max: 5 * time.Second}})
		// One with packets: it is sent again, because a 429 says that nothing was taken.
		response, err := c.Classify(context.Background(), packetRequest)
		if err != nil || calls.Load() != 2 {
			t.Fatal(calls.Load(), err)
		}
		least := map[string]time.Duration{"Retry-After": time.Second, "Retry-After-Ms": 150 * time.Millisecond}[header]
		if second.Sub(first) < least {
			t.Errorf("%s: came back after %v, %v was asked for", header, second.Sub(first), least)
		}
		want := edge.WindowLabel{Flow: "a", Second: 1, Label: edge.Video, Confidence: 0.9, Probability: 0.9}
		if len(response.Labels) != 2 || response.Labels[0] != want || response.Labels[1].Err != "out_of_order" || response.Model != "m@1" {
			t.Errorf("%+v", response)
		}
	}
}

func TestClassify_LostConnection_RepeatsWindowsNotPackets(t *testing.T) {
	for name, c := range map[string]struct {
		request *edge.Request
		calls   int32
	}{"windows": {windowRequest, 3}, "packets": {packetRequest, 1}} {
		var calls atomic.Int32
		rest := client(t, func(w http.ResponseWriter, r *http.Request) {
			if calls.Add(1) < 3 {
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler) // the connection breaks
			}
			answer(w, 200, "application/json", oneLabel)
		}, Options{})
		_, err := rest.Classify(context.Background(), c.request)
		if calls.Load() != c.calls || (err == nil) != (name == "windows") {
			t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
		}
		if err != nil && !errors.Is(err, edge.ErrUnavailable) {
			t.Error(err)
		}
	}
}

func TestClassify_Problem_IsTyped(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, 400, "application/problem+json", `{"type":"/problems/invalid-request","title":"The request is not valid",
			"status":400,"detail":"windows[0].second: an integer is expected","request_id":"5d9c",
			"errors":[{"where":"windows[0].second","problem":"an integer is expected"}]}`)
	}, Options{})
	_, err := c.Classify(context.Background(), windowRequest)
	var failed *edge.Error
	if !errors.As(err, &failed) || !errors.Is(err, edge.ErrInvalid) {
		t.Fatal(err)
	}
	if failed.Type != "/problems/invalid-request" || failed.RequestID != "5d9c" || failed.HTTPStatus != 400 ||
		failed.Attempts != 1 || len(failed.Fields) != 1 || failed.Fields[0].Where != "windows[0].second" {
		t.Errorf("%+v", failed)
	}
}

func TestClassify_StrangeAnswers_AreErrors(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		kind   edge.Kind
	}{
		"not JSON":      {200, "<html>", edge.ErrProtocol},
		"cut":           {200, oneLabel[:40], edge.ErrProtocol},
		"a new label":   {200, `{"model":"m","labels":[{"flow":"a","second":1,"label":"films"}]}`, edge.ErrProtocol},
		"a proxy's 418": {418, "teapot", edge.ErrInvalid},
		"a redirect":    {304, "", edge.ErrProtocol},
		"a proxy's 599": {599, "<html>", edge.ErrInternal},
		"disk full":     {507, "", edge.ErrStorage},
	} {
		rest := client(t, func(w http.ResponseWriter, r *http.Request) { answer(w, c.status, "text/html", c.body) }, Options{})
		if _, err := rest.Classify(context.Background(), packetRequest); !errors.Is(err, c.kind) {
			t.Errorf("%s: %v, %v expected", name, err, c.kind)
		}
	}
}

func TestClassify_Context_EndsTheRequest(t *testing.T) {
	arrived := make(chan string, 2)
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- r.Header.Get("X-Timeout-Ms")
		<-r.Context().Done()
	}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	_, err := c.Classify(ctx, windowRequest)
	if !errors.Is(err, edge.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err = c.Classify(ctx, windowRequest)
	if !errors.Is(err, edge.ErrDeadline) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if told := <-arrived; told == "" || len(told) > 3 {
		t.Errorf("the server was told a deadline of %q ms", told)
	}
}

func TestClassify_Body_IsTheContract(t *testing.T) {
	var body []byte
	var header http.Header
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
		answer(w, 200, "application/json", oneLabel)
	}, Options{APIKey: "rs_key"})
	_, err := c.Classify(context.Background(), &edge.Request{Model: "m@1",
		Windows: []edge.Window{{Flow: "a \"quoted\" ü", Second: 7, Features: []float32{0.1, -3e10}, Bins: make([]uint32, 40), End: true}},
		Flows: []edge.FlowPackets{{Flow: "b", UntilNS: 1_700_000_001_000_000_000, End: true,
			Packets: []edge.Packet{{TimeNS: 1_700_000_000_123_456_789, Bytes: 1500, Direction: edge.Down}, {TimeNS: 1, Bytes: 60}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, part := range []string{`"model":"m@1"`, `"a \"quoted\" ü"`, `"second":7`, `[0.1,-3e+10]`, `"end":true`,
		`[1700000000.123456789,1500,"down"]`, `[0.000000001,60,"up"]`, `"until":1700000001.000000000`} {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s lacks %s", body, part)
		}
	}
	if header.Get("Authorization") != "Bearer rs_key" || header.Get("User-Agent") != "reelsense-go" ||
		header.Get("Content-Type") != "application/json" {
		t.Error(header)
	}
}

func TestClassify_WhatJSONCannotCarry_IsNotSent(t *testing.T) {
	c := client(t, func(w http.ResponseWriter, r *http.Request) { t.Error("it was sent") }, Options{})
	for name, r := range map[string]*edge.Request{
		"NaN":       {Windows: []edge.Window{{Flow: "a", Features: []float32{float32(math.NaN())}}}},
		"bytes":     {Windows: []edge.Window{{Flow: "\xff"}}},
		"past time": {Flows: []edge.FlowPackets{{Flow: "a", Packets: []edge.Packet{{TimeNS: -1}}}}},
	} {
		if _, err := c.Classify(context.Background(), r); !errors.Is(err, edge.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Feedback(context.Background(), []edge.Truth{{Flow: "a"}}); !errors.Is(err, edge.ErrInvalid) {
		t.Error(err)
	}
}

func TestNew_WrongOptions_AreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		base    string
		options Options
	}{
		"no scheme":        {"edge.example:8080", Options{}},
		"another scheme":   {"ftp://edge.example", Options{}},
		"a query":          {"http://edge.example?x=1", Options{}},
		"key in the clear": {"http://edge.example:8080", Options{APIKey: "k"}},
		"a key's newline":  {"https://edge.example:8080", Options{APIKey: "k\n"}},
	} {
		if _, err := New(c.base, c.options); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for _, base := range []string{"https://edge.example:8080", "http://localhost:8080/"} {
		if _, err := New(base, Options{APIKey: "k"}); err != nil {
			t.Error(err)
		}
	}
}
