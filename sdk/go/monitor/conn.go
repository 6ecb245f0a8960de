package monitor

import (
	"net"
	"sync/atomic"
	"time"

	"reelsense.dev/go/reelsense"
)

// Conn is a connection that a Monitor sees. It hides the operating system's own copying (sendfile, splice), which would
// pass by the count: io.Copy reads and writes.
type Conn struct {
	net.Conn
	monitor *Monitor
	flow    atomic.Pointer[reelsense.Flow] // nil: not seen
	closed  atomic.Bool
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Flow is the connection's flow of this moment; one that was evicted from a full table goes on as a new one. False: the
// classifier took none.
func (c *Conn) Flow() (reelsense.Flow, bool) {
	if flow := c.flow.Load(); flow != nil {
		return *flow, true
	}
	return reelsense.Flow{}, false
}

// Peek is what is known of the connection so far: reelsense.Flow.Peek.
func (c *Conn) Peek() (reelsense.Decision, error) {
	flow, _ := c.Flow()
	return flow.Peek()
}

// Read reads and reports.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.report(n, reelsense.Flow.Read)
	}
	return n, err
}

// Write writes and reports.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n > 0 {
		c.report(n, reelsense.Flow.Wrote)
	}
	return n, err
}

// CloseWrite ends the sending side, where the connection below can.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return &net.OpError{Op: "close write", Net: c.RemoteAddr().Network(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
}

// Close ends the flow and the connection.
func (c *Conn) Close() error {
	if !c.closed.Swap(true) {
		if flow := c.flow.Load(); flow != nil {
			if err := flow.Close(c.monitor.now()); err != nil && !reelsense.IsClosed(err) {
				c.monitor.failures.Add(1)
			}
		}
	}
	return c.Conn.Close()
}

// report holds no lock of ours while the classifier runs: a Handler may use this very connection.
func (c *Conn) report(n int, what func(reelsense.Flow, int, time.Time) error) {
	flow := c.flow.Load()
	if flow == nil || c.closed.Load() {
		return
	}
	now := c.monitor.now()
	err := what(*flow, n, now)
	if reelsense.IsClosed(err) && c.reopen(flow, now) {
		err = what(*c.flow.Load(), n, now)
	}
	if err != nil {
		c.monitor.failures.Add(1)
		return
	}
	c.monitor.saw(now)
}

// reopen opens a flow in place of one that was evicted.
func (c *Conn) reopen(old *reelsense.Flow, now time.Time) bool {
	if c.closed.Load() {
		return false
	}
	flow, err := c.monitor.classifier.OpenFlow(now)
	if err != nil {
		return false
	}
	if !c.flow.CompareAndSwap(old, &flow) || c.closed.Load() {
		_ = flow.Close(now) // another goroutine was first, or the connection is gone
	}
	return true
}
