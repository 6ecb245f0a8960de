package reelsense

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"reelsense.dev/go/internal/capi"
)

// Options of a classifier. The zero value is a packet classifier of 256 flows with the default policy.
type Options struct {
	View     View   // must be the model's
	MaxFlows uint32 // 0: 256; 1 … 16,777,216. About 520 bytes each
	// 0: 120 s; 1 s … 1 day. A flow without packets ends; in the socket view its features begin anew instead, and it
	// stays open.
	IdleTimeout   time.Duration
	ActiveTimeout time.Duration      // 0: 3600 s; 1 s … 7 days: the same for a flow that is that old
	Policy        map[string]float64 // changes of the default policy, by PolicySetting.Name
	Handler       Handler            // nil: results are not wanted
}

const (
	defaultMaxFlows = 256
	block           = 256       // packets or frames between two deliveries: what a call can give at once stays bounded
	frameBytes      = 256 << 10 // of frames in one crossing; a longer frame is cut to it
)

// Classifier labels the windows of flows. Any goroutine may call it; one call runs at a time.
type Classifier struct {
	view    View
	handler Handler

	mu      sync.Mutex // guards what follows
	raw     capi.Classifier
	open    bool
	results *results
	scratch *scratch
	frames  *capi.Frames // made by the first AddFrames
}

// scratch is where C writes. It holds no pointers, as the rules of cgo want it, and is no part of a struct that does.
type scratch struct {
	decision Decision
	flow     uint64
	counters rawCounters
}

// NewClassifier makes a classifier. A nil model gives features without labels. The model may be closed afterwards.
// Errors: ErrMismatch if the model's view is not Options.View, ErrInvalidArgument, ErrMemory.
func NewClassifier(model *Model, options Options) (*Classifier, error) {
	policy, err := newPolicy(options.Policy)
	if err != nil {
		return nil, err
	}
	defer policy.Free()
	maxFlows := options.MaxFlows
	if maxFlows == 0 {
		maxFlows = defaultMaxFlows
	}
	c := &Classifier{view: options.View, handler: options.Handler, open: true, scratch: new(scratch),
		results: newResults(options.View, maxFlows, options.Handler != nil)}
	var rawModel capi.Model
	if model != nil {
		rawModel = model.raw
	}
	raw, status, text := capi.NewClassifier(rawModel, capi.Options{
		View: uint32(options.View), MaxFlows: maxFlows, IdleTimeoutNS: int64(options.IdleTimeout),
		ActiveTimeoutNS: int64(options.ActiveTimeout), Policy: policy,
	}, c.results)
	runtime.KeepAlive(model)
	if err := failure("create classifier", status, text); err != nil {
		return nil, err
	}
	c.raw = raw
	runtime.SetFinalizer(c, func(c *Classifier) { _ = c.Close() })
	return c, nil
}

// View of the classifier.
func (c *Classifier) View() View { return c.view }

// Close gives the memory back. It does not finish: what is open is dropped without a result. A second Close does nothing;
// every other call then fails with ErrClosed.
func (c *Classifier) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return nil
	}
	c.open = false
	runtime.SetFinalizer(c, nil)
	c.raw.Free()
	if c.frames != nil {
		c.frames.Free()
		c.frames = nil
	}
	return nil
}

// begin starts a call; end, which follows it unless it fails, ends it and hands out its results.
func (c *Classifier) begin(op string) error {
	c.mu.Lock()
	if !c.open {
		c.mu.Unlock()
		return &Error{op, ErrClosed, "the classifier was closed"}
	}
	return nil
}

func (c *Classifier) end(op string, status capi.Status, detail string) error {
	deliver := len(c.results.waiting.order) > 0 && !c.results.delivering
	if deliver {
		c.results.delivering = true
	}
	c.mu.Unlock()
	if deliver {
		c.deliver()
	}
	return failure(op, status, detail)
}

// deliver gives the Handler what waits, also what comes while it runs. Precondition: results.delivering was set by us.
func (c *Classifier) deliver() {
	done := false
	defer func() {
		if !done { // the Handler panicked: results that it did not see are gone, the classifier lives on
			c.mu.Lock()
			c.results.handed.clear()
			c.results.delivering = false
			c.mu.Unlock()
		}
	}()
	r := c.results
	for {
		c.mu.Lock()
		r.handed.clear()
		r.handed, r.waiting = r.waiting, r.handed
		if len(r.handed.order) == 0 {
			r.delivering = false
			done = true
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		r.handed.deliver(c.handler)
	}
}

// SetModel swaps the model for one of the same view between two seconds: windows that are open are scored by the new one.
func (c *Classifier) SetModel(model *Model) error {
	const op = "set model"
	if model == nil {
		return &Error{op, ErrInvalidArgument, "a model is expected, not nil"}
	}
	if err := c.begin(op); err != nil {
		return err
	}
	status := c.raw.SetModel(model.raw)
	runtime.KeepAlive(model)
	return c.end(op, status, "the model is of view "+model.info.View.String())
}

// Advance says that event time has reached now: the seconds before it are closed and labelled. Call it once a second
// while there are flows, and not at all while there are none. A time before the latest seen changes nothing.
func (c *Classifier) Advance(now time.Time) error { return c.AdvanceNS(now.UnixNano()) }

// AdvanceNS is Advance in nanoseconds since the epoch.
func (c *Classifier) AdvanceNS(nowNS int64) error {
	const op = "advance"
	if err := c.begin(op); err != nil {
		return err
	}
	return c.end(op, c.raw.Advance(nowNS), timeRange)
}

const timeRange = "a time from 1970-01-01 to 2200-01-01 is expected"

// Finish is the end of the input: every window is closed, every flow ends. The classifier may be used again.
func (c *Classifier) Finish() error {
	const op = "finish"
	if err := c.begin(op); err != nil {
		return err
	}
	return c.end(op, c.raw.Finish(), "")
}

// AddPackets adds packets in the order of their times. Packet view. It allocates nothing; fastest in batches of 32 and
// more.
func (c *Classifier) AddPackets(packets []Packet) error {
	const op = "add packets"
	for len(packets) > 0 {
		n := len(packets)
		if n > block {
			n = block
		}
		if err := c.begin(op); err != nil {
			return err
		}
		status := c.raw.AddPackets(unsafe.Pointer(&packets[0]), n)
		if err := c.end(op, status, c.wants(ViewPacket)); err != nil {
			return err
		}
		packets = packets[n:]
	}
	return nil
}

// AddFrames adds frames in the order they were captured. Those without a readable IP packet are counted by reason
// (Counters.Dropped). ErrUnsupported: a link type that is not read. Packet view. It copies the bytes and allocates nothing after the first call.
func (c *Classifier) AddFrames(link LinkType, frames []Frame) error {
	const op = "add frames"
	for len(frames) > 0 {
		if err := c.begin(op); err != nil {
			return err
		}
		if c.frames == nil {
			if c.frames = capi.NewFrames(block, frameBytes); c.frames == nil {
				return c.end(op, capi.Status(ErrMemory), fmt.Sprintf("%d bytes are needed", frameBytes))
			}
		}
		n := 0
		for n < len(frames) && c.frames.Add(frames[n].TimeNS, frames[n].Data, frames[n].wireBytes()) {
			n++
		}
		if err := c.end(op, c.raw.AddFrames(uint32(link), c.frames), c.wants(ViewPacket)); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

func (f *Frame) wireBytes() uint32 {
	if n := uint64(len(f.Data)); n > uint64(f.WireBytes) && n <= math.MaxUint32 {
		return uint32(n)
	}
	return f.WireBytes
}

// wants explains a refused call.
func (c *Classifier) wants(view View) string {
	if c.view != view {
		return "a classifier of view " + view.String() + " is expected, this one has view " + c.view.String()
	}
	return timeRange
}

// Counters of the classifier so far.
func (c *Classifier) Counters() (Counters, error) {
	const op = "counters"
	if err := c.begin(op); err != nil {
		return Counters{}, err
	}
	status := c.raw.Counters(unsafe.Pointer(&c.scratch.counters))
	counters := c.scratch.counters.public()
	counters.Undelivered = c.results.undelivered
	return counters, c.end(op, status, "")
}
