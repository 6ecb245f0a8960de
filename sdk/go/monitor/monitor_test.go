package monitor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

// record is a Handler that many goroutines may look at.
type record struct {
	mu  sync.Mutex
	got reelsense.Collector
}

func (r *record) HandleWindows(w []reelsense.Window) {
	r.with(func(c *reelsense.Collector) { c.HandleWindows(w) })
}
func (r *record) HandleSecond(s reelsense.Second) {
	r.with(func(c *reelsense.Collector) { c.HandleSecond(s) })
}
func (r *record) HandleFlowEnd(f reelsense.FlowSummary) {
	r.with(func(c *reelsense.Collector) { c.HandleFlowEnd(f) })
}
func (r *record) with(f func(collector *reelsense.Collector)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.got)
}

// bytes in windows so far.
func (r *record) bytes() (up, down uint64) {
	r.with(func(c *reelsense.Collector) {
		for i := range c.Windows {
			up += c.Windows[i].BytesUp
			down += c.Windows[i].BytesDown
		}
	})
	return up, down
}

func newMonitor(t *testing.T, options reelsense.Options) (*Monitor, *reelsense.Classifier, *record) {
	t.Helper()
	r := new(record)
	options.View, options.Handler = reelsense.ViewSocket, r
	classifier, err := reelsense.NewClassifier(testdata.Model(t, testdata.SocketModel), options)
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(classifier)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = m.Close(), classifier.Close() })
	return m, classifier, r
}

func TestNew_PacketClassifier_IsRefused(t *testing.T) {
	classifier, err := reelsense.NewClassifier(nil, reelsense.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	if _, err := New(classifier); !errors.Is(err, reelsense.ErrMismatch) {
		t.Error(err)
	}
}

func TestTransport_OverTLS_EveryByteIsSeenAndPeekedBeforeTheBody(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2 ", http2), func(t *testing.T) {
			body := bytes.Repeat([]byte("reel"), 100_000)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Proto", r.Proto)
				_, _ = w.Write(body)
			}))
			server.EnableHTTP2 = http2
			server.StartTLS()
			defer server.Close()
			m, classifier, seen := newMonitor(t, reelsense.Options{})
			base := server.Client().Transport.(*http.Transport)
			peeked := 0
			client := &http.Client{Transport: m.RoundTripper(m.Transport(base), func(r *http.Response, d reelsense.Decision) {
				peeked++
				if d.Confidence < 0.5 {
					t.Errorf("%+v", d)
				}
			})}
			for i := 0; i < 3; i++ {
				response, err := client.Get(server.URL)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || !bytes.Equal(got, body) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if want := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[http2]; response.Header.Get("X-Proto") != want {
					t.Fatalf("the request came by %s, %s expected", response.Header.Get("X-Proto"), want)
				}
			}
			client.CloseIdleConnections()
			if err := classifier.Finish(); err != nil {
				t.Fatal(err)
			}
			up, down := seen.bytes()
			if up < 500 || down < uint64(3*len(body)) || down > uint64(4*len(body)) {
				t.Errorf("%d bytes up and %d down were seen of three bodies of %d", up, down, len(body))
			}
			if peeked != 3 || m.Failures() != 0 {
				t.Errorf("%d peeks, %d failures", peeked, m.Failures())
			}
		})
	}
}

// pair is a wrapped connection and its other end.
func pair(t *testing.T, m *Monitor) (*Conn, net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := m.DialContext(nil)(context.Background(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = conn.Close(), other.Close() })
	return conn.(*Conn), other
}

func TestConn_EvictedFlow_GoesOnAsANewOne(t *testing.T) {
	m, classifier, seen := newMonitor(t, reelsense.Options{MaxFlows: 1})
	a, _ := pair(t, m)
	first, _ := a.Flow()
	b, _ := pair(t, m) // evicts a's flow
	if _, err := b.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write(make([]byte, 7)); err != nil {
		t.Fatal(err)
	}
	second, _ := a.Flow()
	if first.ID() == second.ID() || m.Failures() != 0 {
		t.Errorf("flows %d, %d; %d failures", first.ID(), second.ID(), m.Failures())
	}
	if err := classifier.Finish(); err != nil {
		t.Fatal(err)
	}
	if up, _ := seen.bytes(); up != 17 {
		t.Errorf("%d bytes up, 17 were written", up)
	}
}

func TestConn_ClosedClassifier_DisturbsNothing(t *testing.T) {
	m, classifier, _ := newMonitor(t, reelsense.Options{})
	conn, other := pair(t, m)
	_ = classifier.Close()
	go func() { _, _ = io.Copy(other, other); _ = other.Close() }()
	if _, err := conn.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if m.Failures() == 0 {
		t.Error("nothing was counted")
	}
	unseen, _ := pair(t, m)
	if _, ok := unseen.Flow(); ok {
		t.Error("a closed classifier took a flow")
	}
	if _, err := unseen.Peek(); !reelsense.IsClosed(err) {
		t.Error(err)
	}
	for i := 0; i < 2; i++ {
		_ = unseen.Close()
	}
}

func TestMonitor_HandlerUsesTheConnection_NoDeadlock(t *testing.T) {
	var conn *Conn
	done := make(chan bool)
	var once sync.Once
	classifier, err := reelsense.NewClassifier(nil, reelsense.Options{View: reelsense.ViewSocket,
		Handler: reelsense.HandlerFuncs{Second: func(reelsense.Second) {
			once.Do(func() {
				if _, err := conn.Write([]byte("from the handler")); err != nil {
					t.Error(err)
				}
				close(done)
			})
		}}})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	m, err := New(classifier)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	conn, _ = pair(t, m)
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done: // the monitor's own clock closed the second
	case <-time.After(time.Minute):
		t.Fatal("no second was closed")
	}
}

func TestMonitor_Ticks_OnlyWhileThereAreBytes(t *testing.T) {
	m, _, _ := newMonitor(t, reelsense.Options{})
	if m.ticking.Load() {
		t.Error("it ticks before the first byte")
	}
	conn, _ := pair(t, m)
	if m.ticking.Load() {
		t.Error("it ticks for an idle connection")
	}
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if !m.ticking.Load() {
		t.Error("it does not tick after a byte")
	}
	m.lastNS.Store(time.Now().Add(-2 * Quiet).UnixNano())
	for end := time.Now().Add(time.Minute); m.ticking.Load(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it goes on ticking though nothing came for Quiet")
		}
	}
	if _, err := conn.Write([]byte("x")); err != nil || !m.ticking.Load() {
		t.Error("a byte does not start it again")
	}
	_ = m.Close()
	if m.ticking.Load() {
		t.Error("it ticks after Close")
	}
	if _, err := conn.Write([]byte("x")); err != nil || m.ticking.Load() {
		t.Error("a byte starts it after Close")
	}
}
