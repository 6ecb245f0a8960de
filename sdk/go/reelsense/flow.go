package reelsense

import (
	"time"
	"unsafe"
)

// Flow is a connection of a socket classifier. It is a small value: copy it freely.
type Flow struct {
	c  *Classifier
	id uint64
}

// OpenFlow says that a connection was opened. If the table is full, the flow that was quiet for longest ends as
// EndEvicted. Socket view.
func (c *Classifier) OpenFlow(now time.Time) (Flow, error) { return c.OpenFlowNS(now.UnixNano()) }

// OpenFlowNS is OpenFlow in nanoseconds since the epoch.
func (c *Classifier) OpenFlowNS(nowNS int64) (Flow, error) {
	const op = "open flow"
	if err := c.begin(op); err != nil {
		return Flow{}, err
	}
	status := c.raw.FlowOpen(&c.scratch.flow, nowNS)
	flow := Flow{c, c.scratch.flow}
	if err := c.end(op, status, c.wants(ViewSocket)); err != nil {
		return Flow{}, err
	}
	return flow, nil
}

// ID is never 0 and never given twice by one classifier; Window.Flow and FlowSummary.Flow are it.
func (f Flow) ID() uint64 { return f.id }

// Read says that the app read n bytes, 2^31 at most; 0 only tells the time. ErrClosed: the flow was closed or evicted.
func (f Flow) Read(n int, now time.Time) error { return f.ReadNS(n, now.UnixNano()) }

// ReadNS is Read in nanoseconds since the epoch.
func (f Flow) ReadNS(n int, nowNS int64) error {
	const op = "flow read"
	if err := f.begin(op, n); err != nil {
		return err
	}
	return f.c.end(op, f.c.raw.FlowRead(f.id, uint64(n), nowNS), f.detail())
}

// Wrote says that the app wrote n bytes, 2^31 at most; 0 only tells the time. ErrClosed: the flow was closed or evicted.
func (f Flow) Wrote(n int, now time.Time) error { return f.WroteNS(n, now.UnixNano()) }

// WroteNS is Wrote in nanoseconds since the epoch.
func (f Flow) WroteNS(n int, nowNS int64) error {
	const op = "flow wrote"
	if err := f.begin(op, n); err != nil {
		return err
	}
	return f.c.end(op, f.c.raw.FlowWrite(f.id, uint64(n), nowNS), f.detail())
}

// Close labels the flow's open window and ends it. A second Close is ErrClosed.
func (f Flow) Close(now time.Time) error { return f.CloseNS(now.UnixNano()) }

// CloseNS is Close in nanoseconds since the epoch.
func (f Flow) CloseNS(nowNS int64) error {
	const op = "flow close"
	if err := f.begin(op, 0); err != nil {
		return err
	}
	return f.c.end(op, f.c.raw.FlowClose(f.id, nowNS), f.detail())
}

// Peek is what is known of the flow so far: its open window, labelled as if its second ended now; the latest window's label
// where none is open; uncertain before the first. For decisions before the body of a response is read. It changes
// nothing.
func (f Flow) Peek() (Decision, error) {
	const op = "flow peek"
	if err := f.begin(op, 0); err != nil {
		return Decision{}, err
	}
	status := f.c.raw.FlowPeek(unsafe.Pointer(&f.c.scratch.decision), f.id)
	decision := f.c.scratch.decision
	if err := f.c.end(op, status, f.detail()); err != nil {
		return Decision{}, err
	}
	return decision, nil
}

func (f Flow) begin(op string, n int) error {
	if f.c == nil {
		return &Error{op, ErrClosed, "the flow was never opened"}
	}
	if n < 0 {
		return &Error{op, ErrInvalidArgument, "a number of bytes is expected, not a negative one"}
	}
	return f.c.begin(op)
}

// detail of a refused call; a string, so that a call that succeeds pays nothing for it.
func (f Flow) detail() string {
	if f.c.view != ViewSocket {
		return "a classifier of view socket is expected, this one has view packet"
	}
	return "an open flow and " + timeRange
}
