// Package uplink carries what a device gives to the edge server: uncertain windows, which come back as labels
// ([Escalator]), and anonymised feedback ([Sender]). Nothing of it runs unless a program makes one and calls its Run.
package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"reelsense.dev/go/edge"
	"reelsense.dev/go/reelsense"
)

// EscalatorOptions of an Escalator; the zero value of each field is its default.
type EscalatorOptions struct {
	Model            string        // empty: the server's default; of the view of the classifier's windows
	BatchWindows     int           // 64: most windows of a request
	MaxDelay         time.Duration // 1 s: how long a window waits for others
	WindowsPerSecond float64       // 8: sent at most, in the mean
	Burst            int           // 64: sent at most at once; BatchWindows or more
	Queue            int           // 256: windows that wait; the oldest goes when one more comes
	Timeout          time.Duration // 10 s: of a request, its repeats included
	Pause            edge.Retry    // Base 1 s, Max 1 min: pauses after a request that failed for good

	OnLabel func(Escalated) // gets the labels, on Run's goroutine
	OnError func(error)     // gets what went wrong, likewise; may be nil
}

// Escalated is the server's label of a window that the device was not sure of.
type Escalated struct {
	Flow  uint64 // reelsense.Window.Flow
	Label edge.WindowLabel
	Model string // "name@version" that answered
}

// EscalatorStats count windows since the Escalator was made.
type EscalatorStats struct {
	Uncertain uint64 // offered while Run ran
	Sent      uint64
	Labelled  uint64
	Dropped   uint64 // left out because the queue was full, or because a request failed for good
}

// Escalator sends uncertain windows to the edge server. It is a reelsense.Handler: give it to the classifier, beside
// others by reelsense.Handlers. Handling a window never waits for the network. What leaves the device is the window's
// features, its byte counts and its second, under a random name that is the flow's while the Escalator lives.
type Escalator struct {
	server  edge.Classifier
	options EscalatorOptions
	prefix  string

	mu      sync.Mutex
	running bool
	queue   []edge.Window // ring of options.Queue
	first   int
	n       int
	stats   EscalatorStats
	wake    chan struct{} // a window came; of length 1
}

// NewEscalator makes an Escalator over a client: rest.Client or rpc.Client.
func NewEscalator(server edge.Classifier, options EscalatorOptions) (*Escalator, error) {
	if server == nil || options.OnLabel == nil {
		return nil, errors.New("uplink: an Escalator needs a client and OnLabel")
	}
	setDefault(&options.BatchWindows, 64)
	setDefault(&options.MaxDelay, time.Second)
	setDefault(&options.WindowsPerSecond, 8)
	setDefault(&options.Burst, 64)
	setDefault(&options.Queue, 256)
	setDefault(&options.Timeout, 10*time.Second)
	setDefault(&options.Pause.Base, time.Second)
	setDefault(&options.Pause.Max, time.Minute)
	if options.BatchWindows < 1 || options.Burst < options.BatchWindows || options.Queue < options.BatchWindows ||
		options.WindowsPerSecond < 0 || options.MaxDelay < 0 || options.Timeout < 0 {
		return nil, fmt.Errorf("uplink: BatchWindows %d, Burst %d, Queue %d: positive numbers are expected, and Burst and Queue "+
			"not below BatchWindows", options.BatchWindows, options.Burst, options.Queue)
	}
	var random [12]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	return &Escalator{server: server, options: options, prefix: hex.EncodeToString(random[:]) + "/",
		queue: make([]edge.Window, options.Queue), wake: make(chan struct{}, 1)}, nil
}

func setDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// HandleWindows takes the uncertain ones, while Run runs.
func (e *Escalator) HandleWindows(windows []reelsense.Window) {
	for i := range windows {
		if windows[i].Decision.Uncertain {
			e.offer(&windows[i])
		}
	}
}

// HandleSecond does nothing.
func (e *Escalator) HandleSecond(reelsense.Second) {}

// HandleFlowEnd does nothing: the server forgets a flow by itself.
func (e *Escalator) HandleFlowEnd(reelsense.FlowSummary) {}

func (e *Escalator) offer(w *reelsense.Window) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running {
		return
	}
	e.stats.Uncertain++
	if e.n == len(e.queue) { // an old label is worth less than a new one
		e.first = (e.first + 1) % len(e.queue)
		e.n--
		e.stats.Dropped++
	}
	slot := &e.queue[(e.first+e.n)%len(e.queue)]
	slot.Flow = e.prefix + strconv.FormatUint(w.Flow, 10)
	slot.Second = w.Second
	slot.Features = append(slot.Features[:0], w.Features()...)
	slot.Bins = append(slot.Bins[:0], w.Bins[:]...)
	e.n++
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Stats so far.
func (e *Escalator) Stats() EscalatorStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Run sends until the context ends, and returns its error. Windows that come while it does not run are not sent. One Run at
// a time.
func (e *Escalator) Run(ctx context.Context) error {
	e.mu.Lock()
	if e.running {
		e.mu.Unlock()
		return errors.New("uplink: the Escalator runs already")
	}
	e.running = true
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.stats.Dropped += uint64(e.n)
		e.running, e.n = false, 0
		e.mu.Unlock()
	}()
	bucket := newBucket(e.options.WindowsPerSecond, e.options.Burst, time.Now())
	for failures := 0; ; {
		if err := e.waitForBatch(ctx); err != nil {
			return err
		}
		if err := pause(ctx, bucket.wait(e.waiting(), time.Now())); err != nil {
			return err
		}
		windows := e.take()
		bucket.spend(len(windows), time.Now())
		err := e.send(ctx, windows)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			failures = 0
			continue
		}
		failures++
		if e.options.OnError != nil {
			e.options.OnError(err)
		}
		var failed *edge.Error
		var after time.Duration
		if errors.As(err, &failed) {
			after = failed.RetryAfter
		}
		if err := pause(ctx, e.options.Pause.Pause(failures, after)); err != nil {
			return err
		}
	}
}

// waitForBatch returns when there is a full batch, or some windows and MaxDelay is over.
func (e *Escalator) waitForBatch(ctx context.Context) error {
	var late <-chan time.Time
	for {
		n := e.waiting()
		if n >= e.options.BatchWindows {
			return nil
		}
		if n > 0 && late == nil {
			timer := time.NewTimer(e.options.MaxDelay)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return nil
		case <-e.wake:
		}
	}
}

// waiting is the size of the next batch.
func (e *Escalator) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.n < e.options.BatchWindows {
		return e.n
	}
	return e.options.BatchWindows
}

func (e *Escalator) take() []edge.Window {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.n
	if n > e.options.BatchWindows {
		n = e.options.BatchWindows
	}
	out := make([]edge.Window, n)
	for i := range out {
		out[i] = e.queue[e.first]
		e.queue[e.first] = edge.Window{} // its slices are out's now
		e.first = (e.first + 1) % len(e.queue)
	}
	e.n -= n
	return out
}

func (e *Escalator) send(ctx context.Context, windows []edge.Window) error {
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	response, err := e.server.Classify(ctx, &edge.Request{Model: e.options.Model, Windows: windows})
	e.mu.Lock()
	e.stats.Sent += uint64(len(windows))
	if err != nil {
		e.stats.Dropped += uint64(len(windows))
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	for _, label := range response.Labels {
		if label.Err != "" || !strings.HasPrefix(label.Flow, e.prefix) {
			continue
		}
		flow, err := strconv.ParseUint(label.Flow[len(e.prefix):], 10, 64)
		if err != nil {
			continue
		}
		e.mu.Lock()
		e.stats.Labelled++
		e.mu.Unlock()
		e.options.OnLabel(Escalated{Flow: flow, Label: label, Model: response.Model})
	}
	return nil
}
