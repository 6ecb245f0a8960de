package reelsense

// Handler takes a classifier's results. It is called by one goroutine at a time, in order: the windows of a second
// first, then its Second; flows when they end. It runs after the call that caused it, outside the classifier's lock, so it
// may call the classifier; what that gives is handled after it returns. If another goroutine is in the Handler
// when a call ends, that goroutine hands out the results of both.
//
// A Handler that blocks holds up the goroutine it runs on, and results wait in memory, at most 4,096 windows and eight
// times Options.MaxFlows more; beyond that windows are left out and counted (Counters.Undelivered).
type Handler interface {
	// HandleWindows gets windows that were closed together. The slice is reused after it returns; its elements may be
	// copied.
	HandleWindows(windows []Window)
	HandleSecond(second Second)
	HandleFlowEnd(flow FlowSummary)
}

// HandlerFuncs is a Handler of functions, each of which may be nil.
type HandlerFuncs struct {
	Windows func([]Window)
	Second  func(Second)
	FlowEnd func(FlowSummary)
}

// HandleWindows calls Windows.
func (h HandlerFuncs) HandleWindows(windows []Window) {
	if h.Windows != nil {
		h.Windows(windows)
	}
}

// HandleSecond calls Second.
func (h HandlerFuncs) HandleSecond(second Second) {
	if h.Second != nil {
		h.Second(second)
	}
}

// HandleFlowEnd calls FlowEnd.
func (h HandlerFuncs) HandleFlowEnd(flow FlowSummary) {
	if h.FlowEnd != nil {
		h.FlowEnd(flow)
	}
}

// Handlers gives the results to several, in order.
type Handlers []Handler

// HandleWindows calls each one's.
func (hs Handlers) HandleWindows(windows []Window) {
	for _, h := range hs {
		h.HandleWindows(windows)
	}
}

// HandleSecond calls each one's.
func (hs Handlers) HandleSecond(second Second) {
	for _, h := range hs {
		h.HandleSecond(second)
	}
}

// HandleFlowEnd calls each one's.
func (hs Handlers) HandleFlowEnd(flow FlowSummary) {
	for _, h := range hs {
		h.HandleFlowEnd(flow)
	}
}

// Collector is a Handler that keeps everything, for programs that feed a batch and then look. Its zero value is ready.
// Reset it between batches: it grows without a bound, and after a Reset without allocating. Not for concurrent use.
type Collector struct {
	Windows []Window
	Seconds []Second
	Flows   []FlowSummary
}

// HandleWindows keeps copies.
func (c *Collector) HandleWindows(windows []Window) { c.Windows = append(c.Windows, windows...) }

// HandleSecond keeps it.
func (c *Collector) HandleSecond(second Second) { c.Seconds = append(c.Seconds, second) }

// HandleFlowEnd keeps it.
func (c *Collector) HandleFlowEnd(flow FlowSummary) { c.Flows = append(c.Flows, flow) }

// Reset forgets what was kept, not the memory for it.
func (c *Collector) Reset() {
	c.Windows, c.Seconds, c.Flows = c.Windows[:0], c.Seconds[:0], c.Flows[:0]
}
