package uplink

import (
	"context"
	"time"
)

// bucket is a token bucket.
type bucket struct {
	rate   float64 // tokens a second
	most   float64
	tokens float64
	at     time.Time
}

func newBucket(rate float64, most int, now time.Time) *bucket {
	return &bucket{rate, float64(most), float64(most), now}
}

func (b *bucket) fill(now time.Time) {
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens += passed * b.rate
		if b.tokens > b.most {
			b.tokens = b.most
		}
		b.at = now
	}
}

// wait is how long until there are n tokens.
func (b *bucket) wait(n int, now time.Time) time.Duration {
	b.fill(now)
	missing := float64(n) - b.tokens
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / b.rate * float64(time.Second))
}

// spend takes n tokens, which may lead below zero.
func (b *bucket) spend(n int, now time.Time) {
	b.fill(now)
	b.tokens -= float64(n)
}

// pause waits, at most until the context ends.
func pause(ctx context.Context, length time.Duration) error {
	if length <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
