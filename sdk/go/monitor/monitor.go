// Package monitor lets a classifier of view socket see a program's own connections: net.Conn, dialers and net/http.
//
// Connections are counted below TLS, as bytes on the socket. What the program reads and writes is reported from the
// goroutine that does it, and so a reelsense.Handler runs there too: it should be quick. Nothing that goes wrong in the
// classifier disturbs a connection; Failures counts it.
package monitor

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"reelsense.dev/go/reelsense"
)

// Quiet is how long after the last byte the monitor goes on to tell the classifier the time, once a second, so that
// seconds between bursts are labelled too. After that it sleeps, without a timer, until the next byte.
const Quiet = 30 * time.Second

const second = time.Second

// lag after a second's end before it is closed, for reads that are just being reported.
const lag = 50 * time.Millisecond

// Monitor of a classifier. Safe for concurrent use.
type Monitor struct {
	classifier *reelsense.Classifier
	now        func() time.Time
	failures   atomic.Uint64
	lastNS     atomic.Int64 // time of the last byte
	ticking    atomic.Bool

	mu     sync.Mutex
	closed bool
	stop   chan struct{}
	ticker sync.WaitGroup
}

// New makes a monitor of a classifier of view socket. Close it before the classifier.
func New(classifier *reelsense.Classifier) (*Monitor, error) {
	if classifier.View() != reelsense.ViewSocket {
		return nil, &reelsense.Error{Op: "monitor", Status: reelsense.ErrMismatch,
			Detail: "a classifier of view socket is expected, this one has view " + classifier.View().String()}
	}
	return &Monitor{classifier: classifier, now: time.Now, stop: make(chan struct{})}, nil
}

// Close stops telling the time. Wrapped connections go on, and report as long as the classifier is open.
func (m *Monitor) Close() error {
	m.mu.Lock()
	if !m.closed {
		m.closed = true
		close(m.stop)
	}
	m.mu.Unlock()
	m.ticker.Wait()
	return nil
}

// Failures counts reports that the classifier refused, such as those after its Close.
func (m *Monitor) Failures() uint64 { return m.failures.Load() }

// WrapConn opens a flow for the connection and reports its reads, writes and close. If the classifier takes no flow, the
// connection works as ever and is not seen.
func (m *Monitor) WrapConn(conn net.Conn) *Conn {
	c := &Conn{Conn: conn, monitor: m}
	if flow, err := m.classifier.OpenFlow(m.now()); err == nil {
		c.flow.Store(&flow)
	} else {
		m.failures.Add(1)
	}
	return c
}

// DialFunc is how net.Dialer, http.Transport and many clients dial.
type DialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext dials with base, and wraps what it gives. nil: a net.Dialer.
func (m *Monitor) DialContext(base DialFunc) DialFunc {
	if base == nil {
		base = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := base(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return m.WrapConn(conn), nil
	}
}

// Transport is a copy of base whose connections are seen, over TLS too. nil: http.DefaultTransport. A base with a
// DialTLSContext of its own dials TLS by that and is not seen there.
func (m *Monitor) Transport(base *http.Transport) *http.Transport {
	if base == nil {
		base = http.DefaultTransport.(*http.Transport)
	}
	transport := base.Clone()
	transport.DialContext = m.DialContext(base.DialContext)
	return transport
}

// saw notes a byte and sees to it that the time goes on.
func (m *Monitor) saw(now time.Time) {
	m.lastNS.Store(now.UnixNano())
	if !m.ticking.Load() {
		m.startTicking()
	}
}

func (m *Monitor) startTicking() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.ticking.Load() {
		return
	}
	m.ticking.Store(true)
	m.ticker.Add(1)
	go m.tick()
}

// tick advances the classifier after each second until nothing came for Quiet.
func (m *Monitor) tick() {
	defer m.ticker.Done()
	timer := time.NewTimer(untilNext(m.now()))
	defer timer.Stop()
	for {
		select {
		case <-m.stop:
			m.ticking.Store(false)
			return
		case <-timer.C:
		}
		now := m.now()
		if err := m.classifier.Advance(now.Add(-lag)); err != nil {
			m.failures.Add(1)
		}
		if now.UnixNano()-m.lastNS.Load() > int64(Quiet) {
			m.ticking.Store(false)
			if m.now().UnixNano()-m.lastNS.Load() <= int64(Quiet) {
				m.startTicking() // a byte came just now and still saw us ticking
			}
			return
		}
		timer.Reset(untilNext(now))
	}
}

func untilNext(now time.Time) time.Duration {
	next := now.Add(-lag).Truncate(second).Add(second + lag)
	return next.Sub(now)
}
