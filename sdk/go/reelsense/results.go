package reelsense

import "unsafe"

// What the C++ side called back with waits here until the call is over. User code never runs above C++ frames: a panic in
// a Handler unwinds Go alone, and a Handler may call the classifier.

type resultKind uint8

const (
	windowsResult resultKind = iota
	secondResult
	flowResult
)

// batch is results in the order of the callbacks.
type batch struct {
	order   []entry
	windows []Window
	seconds []Second
	flows   []FlowSummary
}

type entry struct {
	kind resultKind
	n    int32 // of windows
}

func (b *batch) clear() {
	b.order, b.windows, b.seconds, b.flows = b.order[:0], b.windows[:0], b.seconds[:0], b.flows[:0]
}

func (b *batch) deliver(h Handler) {
	window, second, flow := 0, 0, 0
	for _, e := range b.order {
		switch e.kind {
		case windowsResult:
			h.HandleWindows(b.windows[window : window+int(e.n)])
			window += int(e.n)
		case secondResult:
			h.HandleSecond(b.seconds[second])
			second++
		case flowResult:
			h.HandleFlowEnd(b.flows[flow])
			flow++
		}
	}
}

// results is the capi.Sink of one classifier. Guarded by the classifier's mutex, which the call that calls back holds. It
// does not point to the Classifier: the handle that C holds would keep that alive for ever.
type results struct {
	waiting     *batch // filled by callbacks
	handed      *batch // being delivered
	width       uint8
	most        int  // windows that may wait while a Handler runs
	delivering  bool // a goroutine is delivering
	wanted      bool // there is a Handler
	undelivered uint64
}

func newResults(view View, maxFlows uint32, wanted bool) *results {
	return &results{waiting: new(batch), handed: new(batch), width: uint8(view.FeatureCount()),
		most: 4096 + 8*int(maxFlows), wanted: wanted}
}

func (r *results) Windows(first unsafe.Pointer, n int) {
	if !r.wanted {
		return
	}
	b := r.waiting
	if r.delivering && len(b.windows)+n > r.most {
		r.undelivered += uint64(n)
		return
	}
	for _, raw := range unsafe.Slice((*rawWindow)(first), n) {
		b.windows = append(b.windows, Window{})
		raw.copyTo(&b.windows[len(b.windows)-1], r.width)
	}
	b.order = append(b.order, entry{windowsResult, int32(n)})
}

func (r *results) Second(second unsafe.Pointer) {
	if r.wanted && !r.full() {
		r.waiting.seconds = append(r.waiting.seconds, (*rawSecond)(second).public())
		r.waiting.order = append(r.waiting.order, entry{kind: secondResult})
	}
}

func (r *results) FlowEnd(flow unsafe.Pointer) {
	if r.wanted && !r.full() {
		r.waiting.flows = append(r.waiting.flows, (*rawFlow)(flow).public())
		r.waiting.order = append(r.waiting.order, entry{kind: flowResult})
	}
}

// full: a Handler that never returns must not fill the memory with seconds and flows either.
func (r *results) full() bool { return r.delivering && len(r.waiting.order) >= r.most }
