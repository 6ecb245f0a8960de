package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// recorder is a Retry that notes pauses instead of making them.
func recorder(pauses *[]time.Duration) Retry {
	return Retry{Attempts: 5, Base: 100 * time.Millisecond, Max: time.Second,
		Sleep: func(ctx context.Context, pause time.Duration) error {
			*pauses = append(*pauses, pause)
			return ctx.Err()
		}}
}

func TestRetry_Unavailable_BacksOffWithJitter(t *testing.T) {
	var pauses []time.Duration
	calls := 0
	err := recorder(&pauses).Do(context.Background(), true, func(context.Context) error {
		calls++
		return &Error{Op: "x", Kind: ErrUnavailable}
	})
	var failed *Error
	if !errors.As(err, &failed) || failed.Attempts != 5 || calls != 5 || !strings.Contains(err.Error(), "5 attempts") {
		t.Fatal(calls, err)
	}
	for i, most := range []time.Duration{100, 200, 400, 800} {
		most *= time.Millisecond
		if pauses[i] < most/2 || pauses[i] > most {
			t.Errorf("pause %d is %v, %v to %v expected", i, pauses[i], most/2, most)
		}
	}
	different := map[time.Duration]bool{}
	for i := 0; i < 50; i++ {
		different[Retry{}.Pause(3, 0)] = true
	}
	if len(different) < 40 {
		t.Errorf("50 pauses have %d values: clients would come back together", len(different))
	}
	if got := (Retry{}).Pause(1000, 0); got > 10*time.Second {
		t.Errorf("the 1000th pause is %v", got)
	}
}

func TestRetry_ServerSaysWhen_IsHonoured(t *testing.T) {
	var pauses []time.Duration
	calls := 0
	err := recorder(&pauses).Do(context.Background(), false, func(context.Context) error {
		if calls++; calls == 1 {
			return &Error{Kind: ErrLimited, NotTaken: true, RetryAfter: 700 * time.Millisecond}
		}
		return nil
	})
	if err != nil || calls != 2 {
		t.Fatal(calls, err)
	}
	if pauses[0] < 700*time.Millisecond || pauses[0] > 800*time.Millisecond {
		t.Errorf("pause %v, 700 to 800 ms expected", pauses[0])
	}
}

func TestRetry_NotWorthIt_GivesUpAtOnce(t *testing.T) {
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	over, cancelNow := context.WithCancel(context.Background())
	cancelNow()
	for name, c := range map[string]struct {
		ctx        context.Context
		repeatable bool
		err        error
	}{
		"wrong request":            {context.Background(), true, &Error{Kind: ErrInvalid}},
		"lost, not repeatable":     {context.Background(), false, &Error{Kind: ErrUnavailable}},
		"later than Max":           {context.Background(), true, &Error{Kind: ErrLimited, NotTaken: true, RetryAfter: time.Hour}},
		"later than the deadline":  {soon, true, &Error{Kind: ErrUnavailable}},
		"the context is cancelled": {over, true, &Error{Kind: ErrUnavailable}},
		"not ours":                 {context.Background(), true, errors.New("other")},
	} {
		var pauses []time.Duration
		calls := 0
		err := recorder(&pauses).Do(c.ctx, c.repeatable, func(context.Context) error { calls++; return c.err })
		if calls != 1 || len(pauses) != 0 || !errors.Is(err, c.err) {
			t.Errorf("%s: %d calls, pauses %v, %v", name, calls, pauses, err)
		}
	}
}

func TestRetry_CancelledWhilePausing_ReturnsTheError(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	begin := time.Now()
	time.AfterFunc(30*time.Millisecond, cancel)
	err := Retry{Base: time.Hour, Max: time.Hour}.Do(ctx, true, func(context.Context) error { return &Error{Kind: ErrUnavailable} })
	if !errors.Is(err, ErrUnavailable) || time.Since(begin) > time.Minute {
		t.Error(err)
	}
}

func TestError_Text_SaysAll(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &Error{Op: "POST /v1/classify", Kind: ErrInvalid, Detail: "windows[0].second: too small",
		RequestID: "5d9c", Cause: context.Canceled})
	for _, part := range []string{"POST /v1/classify", "invalid request", "windows[0].second", "5d9c"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if !errors.Is(err, ErrInvalid) || errors.Is(err, ErrLimited) || !errors.Is(err, context.Canceled) {
		t.Error("errors.Is")
	}
}

func TestLabel_Text(t *testing.T) {
	var l Label
	if err := l.UnmarshalText([]byte("video")); err != nil || l != Video {
		t.Error(l, err)
	}
	if err := l.UnmarshalText([]byte("films")); err == nil {
		t.Error("films is no label")
	}
	if _, err := Unlabelled.MarshalText(); err == nil {
		t.Error("no label is no text")
	}
}

func TestKeyMayGo_InTheClear_ToThisMachineOnly(t *testing.T) {
	for host, may := range map[string]bool{"localhost:8080": true, "127.0.0.1:1": true, "[::1]:8080": true, "::1": true,
		"127.0.0.9": true, "10.0.0.1:80": false, "edge.example": false, "localhost.example:1": false, "": false} {
		if KeyMayGo(host) != may {
			t.Errorf("%q: %v", host, !may)
		}
	}
}
