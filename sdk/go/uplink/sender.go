package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"reelsense.dev/go/edge"
)

// Queue is what a Sender empties: a reelsense.FeedbackQueue.
type Queue interface {
	Len() int
	Peek(max int) (body []byte, records int, err error)
	Discard(records int) error
}

// Observer takes a body of POST /v1/observations: a rest.Client.
type Observer interface {
	Observe(ctx context.Context, body []byte) (stored int, err error)
}

// SenderOptions of a Sender; the zero value of each field is its default.
type SenderOptions struct {
	Interval   time.Duration // 15 min: between two looks at the queue; 0 records are no request
	MinRecords int           // 1: fewer wait for more
	MaxRecords int           // 256: of a request
	Timeout    time.Duration // 30 s: of a request, its repeats included
	Pause      edge.Retry    // Base 1 min, Max 1 h: pauses after a request that failed
	OnError    func(error)   // may be nil
}

// SenderStats count records since the Sender was made.
type SenderStats struct {
	Stored  uint64 // the server has them
	Refused uint64 // the server will never take them; they were given up
}

// Sender sends a queue of anonymised windows. A record leaves the queue when the server has it on its disk, or says that it
// never will: what is not sent today is there after a restart. A body whose answer was lost is sent again as it was, and
// the server stores it once.
type Sender struct {
	queue    Queue
	observer Observer
	options  SenderOptions

	sending sync.Mutex // one Flush at a time; guards what follows
	unsure  int        // records of the last body, of which it is not known whether it arrived
	mu      sync.Mutex
	stats   SenderStats
}

// NewSender makes a Sender.
func NewSender(queue Queue, observer Observer, options SenderOptions) (*Sender, error) {
	if queue == nil || observer == nil {
		return nil, errors.New("uplink: a Sender needs a queue and a client")
	}
	setDefault(&options.Interval, 15*time.Minute)
	setDefault(&options.MinRecords, 1)
	setDefault(&options.MaxRecords, 256)
	setDefault(&options.Timeout, 30*time.Second)
	setDefault(&options.Pause.Base, time.Minute)
	setDefault(&options.Pause.Max, time.Hour)
	if options.Interval < 0 || options.MinRecords < 1 || options.MaxRecords < options.MinRecords || options.Timeout < 0 {
		return nil, fmt.Errorf("uplink: MinRecords %d, MaxRecords %d, Interval %v: positive values are expected, and MaxRecords "+
			"not below MinRecords", options.MinRecords, options.MaxRecords, options.Interval)
	}
	return &Sender{queue: queue, observer: observer, options: options}, nil
}

// Stats so far.
func (s *Sender) Stats() SenderStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run sends until the context ends, and returns its error.
func (s *Sender) Run(ctx context.Context) error {
	for failures := 0; ; {
		wait := s.options.Interval
		if s.queue.Len() >= s.options.MinRecords {
			if err := s.Flush(ctx); err == nil {
				failures = 0
			} else if ctx.Err() == nil {
				failures++
				if s.options.OnError != nil {
					s.options.OnError(err)
				}
				wait = s.pauseAfter(err, failures)
			}
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

func (s *Sender) pauseAfter(err error, failures int) time.Duration {
	var failed *edge.Error
	if errors.As(err, &failed) {
		return s.options.Pause.Pause(failures, failed.RetryAfter)
	}
	return s.options.Pause.Pause(failures, 0)
}

// Flush sends all that waits, now. What could not be sent stays.
func (s *Sender) Flush(ctx context.Context) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	most := s.options.MaxRecords
	for {
		want := most
		if s.unsure > 0 && s.unsure < want {
			want = s.unsure // the same body as before
		}
		body, records, err := s.queue.Peek(want)
		if err != nil || records == 0 {
			return err
		}
		s.unsure = records
		err = s.observe(ctx, body)
		switch {
		case err == nil:
			s.count(&s.stats.Stored, records)
		case errors.Is(err, edge.ErrTooLarge) && records > 1:
			most, s.unsure = records/2, 0
			continue
		case errors.Is(err, edge.ErrInvalid) || errors.Is(err, edge.ErrTooLarge):
			s.count(&s.stats.Refused, records) // the same again would be refused again, and hold up the rest
			if s.options.OnError != nil {
				s.options.OnError(fmt.Errorf("uplink: %d records were refused and given up: %w", records, err))
			}
		default:
			return err
		}
		s.unsure = 0
		if err := s.queue.Discard(records); err != nil {
			return err
		}
	}
}

func (s *Sender) observe(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	_, err := s.observer.Observe(ctx, body)
	return err
}

func (s *Sender) count(what *uint64, records int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*what += uint64(records)
}
