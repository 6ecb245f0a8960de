package edge

import (
	"context"
	"errors"
	"math/rand"
	"sync"
	"time"
)

// Retry says how often a request is repeated, and after which pauses. Its zero value: four attempts, pauses from 100 ms
// that double up to 10 s.
//
// A pause is random between half of its length and all of it, so that clients that were refused together do not come back
// together. Where the server says when to come back (Retry-After, retry-after-ms), that is honoured, plus a random share
// of Base; a client gives up at once if that is later than Max or than the context's deadline.
type Retry struct {
	Attempts int           // 0: 4; 1: never repeat
	Base     time.Duration // 0: 100 ms
	Max      time.Duration // 0: 10 s

	// Sleep waits; nil: a timer. For tests.
	Sleep func(ctx context.Context, pause time.Duration) error
}

func (r Retry) withDefaults() Retry {
	if r.Attempts <= 0 {
		r.Attempts = 4
	}
	if r.Base <= 0 {
		r.Base = 100 * time.Millisecond
	}
	if r.Max <= 0 {
		r.Max = 10 * time.Second
	}
	if r.Sleep == nil {
		r.Sleep = sleep
	}
	return r
}

// Do calls until it succeeds, fails for good, or was tried often enough. An error that says nothing was taken
// (Error.NotTaken) is tried again; a lost connection only if the call is repeatable.
func (r Retry) Do(ctx context.Context, repeatable bool, call func(ctx context.Context) error) error {
	r = r.withDefaults()
	for attempt := 1; ; attempt++ {
		err := call(ctx)
		if err == nil {
			return nil
		}
		var e *Error
		if !errors.As(err, &e) {
			return err
		}
		e.Attempts = attempt
		again := e.NotTaken || (repeatable && e.Kind == ErrUnavailable)
		if !again || attempt == r.Attempts || ctx.Err() != nil {
			return err
		}
		pause := r.Pause(attempt, e.RetryAfter)
		if e.RetryAfter > r.Max {
			return err
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause {
			return err // it would only be the same, later
		}
		if r.Sleep(ctx, pause) != nil {
			return err
		}
	}
}

// Pause is that after the attempt'th failure, from 1. after: what the server asked for, or 0.
func (r Retry) Pause(attempt int, after time.Duration) time.Duration {
	r = r.withDefaults()
	if after > 0 {
		return after + jitter(r.Base)
	}
	pause := r.Base
	for ; attempt > 1 && pause < r.Max; attempt-- {
		pause *= 2
	}
	if pause > r.Max {
		pause = r.Max
	}
	return pause/2 + jitter(pause/2)
}

var (
	randomMu sync.Mutex
	random   = rand.New(rand.NewSource(time.Now().UnixNano())) // the global source is not seeded before Go 1.20
)

func jitter(below time.Duration) time.Duration {
	if below <= 0 {
		return 0
	}
	randomMu.Lock()
	defer randomMu.Unlock()
	return time.Duration(random.Int63n(int64(below)))
}

func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
