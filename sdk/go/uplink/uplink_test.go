package uplink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"reelsense.dev/go/edge"
	"reelsense.dev/go/edge/rest"
	"reelsense.dev/go/edge/rpc"
	"reelsense.dev/go/internal/servertest"
	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

// server is an edge.Classifier and an Observer that a test steers.
type server struct {
	mu       sync.Mutex
	fail     error // what it answers, if not nil
	requests []*edge.Request
	bodies   []string
}

func (s *server) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *server) Classify(ctx context.Context, r *edge.Request) (*edge.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	if s.fail != nil {
		return nil, s.fail
	}
	answer := &edge.Response{Model: "m@1"}
	for _, w := range r.Windows {
		answer.Labels = append(answer.Labels, edge.WindowLabel{Flow: w.Flow, Second: w.Second, Label: edge.Video, Confidence: 0.9})
	}
	return answer, nil
}

func (s *server) Feedback(context.Context, []edge.Truth) (edge.FeedbackResult, error) {
	return edge.FeedbackResult{}, errors.New("not asked for")
}

func (s *server) Observe(ctx context.Context, body []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, string(body))
	return 1, s.fail
}

// uncertain windows: a classifier without a model is never sure.
func uncertain(t testing.TB, flows, seconds int) []reelsense.Window {
	t.Helper()
	var got reelsense.Collector
	c, err := reelsense.NewClassifier(nil, reelsense.Options{View: reelsense.ViewSocket, Handler: &got})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begin := time.Unix(1_700_000_000, 0)
	for f := 0; f < flows; f++ {
		if _, err := c.OpenFlow(begin); err != nil {
			t.Fatal(err)
		}
	}
	open := make([]reelsense.Flow, flows)
	for f := range open {
		if open[f], err = c.OpenFlow(begin); err != nil {
			t.Fatal(err)
		}
	}
	for s := 0; s < seconds; s++ {
		for _, flow := range open {
			if err := flow.Read(1000, begin.Add(time.Duration(s)*time.Second)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	if len(got.Windows) != flows*seconds {
		t.Fatalf("%d windows", len(got.Windows))
	}
	return got.Windows
}

// run runs something until the test or stop ends it.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("after a minute: ", what)
		}
	}
}

// running waits until an Escalator takes windows.
func running(t *testing.T, e *Escalator) {
	waitFor(t, "it does not run", func() bool { e.mu.Lock(); defer e.mu.Unlock(); return e.running })
}

func TestEscalator_UncertainWindows_ComeBackAsLabels(t *testing.T) {
	s := new(server)
	var mu sync.Mutex
	got := map[string]bool{}
	e, err := NewEscalator(s, EscalatorOptions{Model: "m", BatchWindows: 10, MaxDelay: 20 * time.Millisecond, OnLabel: func(x Escalated) {
		mu.Lock()
		defer mu.Unlock()
		got[fmt.Sprint(x.Flow, " ", x.Label.Second, " ", x.Label.Label, " ", x.Model)] = true
	}})
	if err != nil {
		t.Fatal(err)
	}
	all := uncertain(t, 3, 5)
	e.HandleWindows(all) // off: nothing runs, nothing is taken
	stop := run(t, e.Run)
	running(t, e)
	sure := all[0]
	sure.Decision.Uncertain = false
	e.HandleWindows([]reelsense.Window{sure})
	e.HandleWindows(all)
	waitFor(t, "15 labels", func() bool { return e.Stats().Labelled == 15 })
	stop()
	for _, w := range all {
		if !got[fmt.Sprint(w.Flow, " ", w.Second, " video m@1")] {
			t.Errorf("window %d %d got no label", w.Flow, w.Second)
		}
	}
	if stats := e.Stats(); stats != (EscalatorStats{Uncertain: 15, Sent: 15, Labelled: 15}) {
		t.Errorf("%+v", stats)
	}
	if len(s.requests) < 2 || len(s.requests[0].Windows) > 10 || s.requests[0].Model != "m" {
		t.Errorf("%d requests", len(s.requests))
	}
	w := s.requests[0].Windows[0]
	if strings.Contains(w.Flow, "10.") || len(w.Flow) < 24 || len(w.Features) != 28 || len(w.Bins) != 40 {
		t.Errorf("%+v", w)
	}
	e.HandleWindows(all)
	if e.Stats().Uncertain != 15 {
		t.Error("it takes windows after Run ended")
	}
}

func TestEscalator_NetworkGone_NeverBlocksAndDropsTheOldest(t *testing.T) {
	s := new(server)
	s.set(&edge.Error{Op: "x", Kind: edge.ErrUnavailable})
	failed := make(chan error, 1000)
	var last int64
	var mu sync.Mutex
	e, err := NewEscalator(s, EscalatorOptions{BatchWindows: 4, Queue: 8, MaxDelay: time.Millisecond, Pause: edge.Retry{Base: time.Hour, Max: time.Hour},
		OnLabel: func(x Escalated) { mu.Lock(); last = x.Label.Second; mu.Unlock() }, OnError: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, e.Run)
	running(t, e)
	all := uncertain(t, 1, 60)
	e.HandleWindows(all[:4])
	if err := <-failed; !errors.Is(err, edge.ErrUnavailable) {
		t.Error(err)
	}
	begin := time.Now()
	for i := 0; i < 100; i++ {
		e.HandleWindows(all[4:])
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("handling windows took %v while the network is gone", took)
	}
	if n := len(s.requests); n != 1 {
		t.Errorf("%d requests within the pause of an hour", n)
	}
	stop()
	stats := e.Stats()
	if stats.Uncertain != stats.Dropped || stats.Labelled != 0 {
		t.Errorf("%+v", stats)
	}
	// The same Escalator goes on when it is run again.
	s.set(nil)
	run(t, e.Run)
	running(t, e)
	e.HandleWindows(all)
	waitFor(t, "the newest window's label", func() bool { mu.Lock(); defer mu.Unlock(); return last == all[59].Second })
}

func TestEscalator_Rate_IsKept(t *testing.T) {
	s := new(server)
	e, err := NewEscalator(s, EscalatorOptions{BatchWindows: 5, Burst: 10, WindowsPerSecond: 50, MaxDelay: time.Millisecond,
		OnLabel: func(Escalated) {}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e.Run)
	running(t, e)
	begin := time.Now()
	e.HandleWindows(uncertain(t, 1, 40))
	waitFor(t, "40 labels", func() bool { return e.Stats().Labelled == 40 })
	if took := time.Since(begin); took < 500*time.Millisecond { // (40 - 10) / 50 s = 600 ms
		t.Errorf("40 windows in %v, at most 10 and then 50 a second are allowed", took)
	}
}

func TestNewEscalator_Wrong_IsRefused(t *testing.T) {
	label := func(Escalated) {}
	if _, err := NewEscalator(nil, EscalatorOptions{OnLabel: label}); err == nil {
		t.Error("no client")
	}
	for _, options := range []EscalatorOptions{{}, {OnLabel: label, BatchWindows: -1}, {OnLabel: label, Burst: 3},
		{OnLabel: label, Queue: 1}, {OnLabel: label, WindowsPerSecond: -2}} {
		if _, err := NewEscalator(new(server), options); err == nil {
			t.Errorf("%+v", options)
		}
	}
	e, err := NewEscalator(new(server), EscalatorOptions{OnLabel: label})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e.Run)
	running(t, e)
	if err := e.Run(context.Background()); err == nil {
		t.Error("it runs twice at once")
	}
}

// queue is a Queue in memory; its bodies show which records are in them.
type queue struct {
	mu      sync.Mutex
	records []string
}

func (q *queue) Len() int { q.mu.Lock(); defer q.mu.Unlock(); return len(q.records) }

func (q *queue) add(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := 0; i < n; i++ {
		q.records = append(q.records, fmt.Sprint(len(q.records)))
	}
}

func (q *queue) Peek(max int) ([]byte, int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if max > len(q.records) {
		max = len(q.records)
	}
	return []byte(strings.Join(q.records[:max], ",")), max, nil
}

func (q *queue) Discard(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.records = q.records[n:]
	return nil
}

func newSender(t *testing.T, q Queue, o Observer, options SenderOptions) *Sender {
	t.Helper()
	s, err := NewSender(q, o, options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSender_AnswerLost_SameBodyAgain(t *testing.T) {
	q, o := new(queue), new(server)
	s := newSender(t, q, o, SenderOptions{MaxRecords: 5})
	q.add(3)
	o.set(&edge.Error{Op: "x", Kind: edge.ErrUnavailable})
	if err := s.Flush(context.Background()); !errors.Is(err, edge.ErrUnavailable) || q.Len() != 3 {
		t.Fatal(err, q.Len())
	}
	q.add(4) // more came; what the server may have already goes alone
	o.set(nil)
	if err := s.Flush(context.Background()); err != nil || q.Len() != 0 {
		t.Fatal(err, q.Len())
	}
	if got := strings.Join(o.bodies, " "); got != "0,1,2 0,1,2 3,4,5,6" {
		t.Error(got)
	}
	if s.Stats() != (SenderStats{Stored: 7}) {
		t.Errorf("%+v", s.Stats())
	}
}

func TestSender_RefusedForGood_DoesNotHoldUpTheRest(t *testing.T) {
	q, o := new(queue), new(server)
	var told error
	s := newSender(t, q, o, SenderOptions{MaxRecords: 2, OnError: func(err error) { told = err }})
	q.add(2)
	o.set(&edge.Error{Op: "x", Kind: edge.ErrInvalid, Detail: "schema"})
	if err := s.Flush(context.Background()); err != nil || q.Len() != 0 || s.Stats().Refused != 2 || !errors.Is(told, edge.ErrInvalid) {
		t.Error(err, q.Len(), s.Stats(), told)
	}
	for _, kind := range []edge.Kind{edge.ErrUnauthenticated, edge.ErrLimited, edge.ErrStorage, edge.ErrInternal, edge.ErrProtocol} {
		q.add(1)
		o.set(&edge.Error{Op: "x", Kind: kind})
		if err := s.Flush(context.Background()); !errors.Is(err, kind) || q.Len() == 0 {
			t.Errorf("%v: %v; the records are to stay, %d are there", kind, err, q.Len())
		}
	}
}

func TestSender_TooLarge_SendsLess(t *testing.T) {
	q := new(queue)
	q.add(9)
	var sizes []int
	s := newSender(t, q, observerFunc(func(body []byte) error {
		n := strings.Count(string(body), ",") + 1
		sizes = append(sizes, n)
		if n > 2 {
			return &edge.Error{Op: "x", Kind: edge.ErrTooLarge}
		}
		return nil
	}), SenderOptions{})
	if err := s.Flush(context.Background()); err != nil || q.Len() != 0 || s.Stats().Stored != 9 {
		t.Error(err, q.Len(), s.Stats(), sizes)
	}
}

type observerFunc func([]byte) error

func (f observerFunc) Observe(_ context.Context, body []byte) (int, error) { return 0, f(body) }

func TestSender_Run_ComesBackAfterFailures(t *testing.T) {
	q, o := new(queue), new(server)
	q.add(3)
	o.set(&edge.Error{Op: "x", Kind: edge.ErrUnavailable})
	s := newSender(t, q, o, SenderOptions{Interval: 5 * time.Millisecond, Pause: edge.Retry{Base: time.Millisecond, Max: 5 * time.Millisecond}})
	run(t, s.Run)
	waitFor(t, "three attempts", func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.bodies) >= 3 })
	o.set(nil)
	waitFor(t, "all is stored", func() bool { return s.Stats().Stored == 3 })
	q.add(2)
	waitFor(t, "all is stored", func() bool { return s.Stats().Stored == 5 })
}

func TestNewSender_Wrong_IsRefused(t *testing.T) {
	if _, err := NewSender(nil, new(server), SenderOptions{}); err == nil {
		t.Error("no queue")
	}
	if _, err := NewSender(new(queue), new(server), SenderOptions{MinRecords: 10, MaxRecords: 5}); err == nil {
		t.Error("MinRecords over MaxRecords")
	}
}

// Both, with a real server: uncertain windows of a capture come back labelled, and a file of feedback is stored.
func TestServer_EscalatorAndSender(t *testing.T) {
	real := servertest.Start(t)
	grpc, err := rpc.New(real.GRPC, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer grpc.Close()
	labels := make(chan Escalated, 1000)
	e, err := NewEscalator(grpc, EscalatorOptions{Model: "reelsense-edge", WindowsPerSecond: 1000, MaxDelay: 10 * time.Millisecond,
		OnLabel: func(x Escalated) { labels <- x }, OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	run(t, e.Run)
	running(t, e)
	model := testdata.Model(t, testdata.PacketModel)
	var all reelsense.Collector
	c, err := reelsense.NewClassifier(model, reelsense.Options{Handler: reelsense.Handlers{e, &all}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	link, frames := testdata.Capture(t, testdata.Reels)
	if err := c.AddFrames(link, frames); err != nil {
		t.Fatal(err)
	}
	want := e.Stats().Uncertain
	if want == 0 {
		t.Fatal("no window of the capture is uncertain")
	}
	waitFor(t, "all labels", func() bool { return e.Stats().Labelled == want })
	for i := uint64(0); i < want; i++ {
		if x := <-labels; x.Label.Label == edge.Unlabelled || x.Model != "reelsense-edge@1.0.0" {
			t.Errorf("%+v", x)
		}
	}

	queue, err := reelsense.OpenFeedback(t.TempDir()+"/feedback", model, reelsense.FeedbackOptions{Records: 100, Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	for i := range all.Windows {
		if _, err := queue.Add(&all.Windows[i], reelsense.TruthVideo); err != nil {
			t.Fatal(err)
		}
	}
	n := queue.Len()
	restClient, err := rest.New(real.REST, rest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSender(t, queue, restClient, SenderOptions{MaxRecords: 7})
	if err := s.Flush(context.Background()); errors.Is(err, edge.ErrNotFound) {
		t.Skip("SKIPPED, NOT RUN: this reelsense-server is of a version without /v1/observations; make server")
	} else if err != nil {
		t.Fatal(err)
	}
	if got := s.Stats(); got.Stored != uint64(n) || got.Refused != 0 || n == 0 || queue.Len() != 0 {
		t.Errorf("%+v of %d records, %d are left", got, n, queue.Len())
	}
}
