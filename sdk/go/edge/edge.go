// Package edge holds what the clients of the edge server share: requests, labels, errors and retries. Package rest speaks
// REST, package rpc gRPC; both are pure Go, and both are a [Classifier]. The contract is docs/how-to/server-api.md.
package edge

import (
	"context"
	"fmt"
)

// Label of a window.
type Label uint8

// The labels; Unlabelled where there is none.
const (
	Unlabelled Label = 0
	NonVideo   Label = 1
	Video      Label = 2
)

func (l Label) String() string {
	switch l {
	case NonVideo:
		return "non-video"
	case Video:
		return "video"
	}
	return ""
}

// MarshalText writes "video" or "non-video".
func (l Label) MarshalText() ([]byte, error) {
	if l != Video && l != NonVideo {
		return nil, fmt.Errorf("edge: label %d, Video or NonVideo is expected", uint8(l))
	}
	return []byte(l.String()), nil
}

// UnmarshalText reads "video" or "non-video".
func (l *Label) UnmarshalText(text []byte) error {
	switch string(text) {
	case "video":
		*l = Video
	case "non-video":
		*l = NonVideo
	default:
		return fmt.Errorf("edge: label %q, \"video\" or \"non-video\" is expected", text)
	}
	return nil
}

// Direction of a packet: Up is from the client, who opened the flow.
type Direction uint8

// The directions.
const (
	Up   Direction = 0
	Down Direction = 1
)

// Window is one second of one flow, as the feature extractor writes it.
type Window struct {
	Flow     string    // its name: any bytes over gRPC, UTF-8 over REST; 1 to 256 bytes, unique while the flow lives
	Second   int64     // k: [k, k+1) s since the epoch
	Features []float32 // in the order of the model's schema
	Bins     []uint32  // packet view: 20 down, then 20 up byte counts of 50 ms; the edge model needs them
	End      bool      // the flow's last window: its state is forgotten after it
}

// Packet of a flow.
type Packet struct {
	TimeNS    int64  // since the epoch
	Bytes     uint32 // on the wire, IP header included
	Direction Direction
}

// FlowPackets are packets of one flow in the order of their times. A window is labelled when a packet of a later second
// comes, when UntilNS passes its end, or at End.
type FlowPackets struct {
	Flow    string
	Packets []Packet
	UntilNS int64 // event time has reached this; 0: not said
	End     bool  // the flow is over
}

// Request for labels of windows, of packets, or of both.
type Request struct {
	Model   string // "name", "name@version" or an alias; empty: the server's default
	Windows []Window
	Flows   []FlowPackets
}

// WindowError says why a window has no label: "out_of_order", "invalid", "deadline", "cancelled", "internal".
type WindowError string

func (e WindowError) Error() string { return "edge: no label: " + string(e) }

// WindowLabel is the answer for one window.
type WindowLabel struct {
	Flow        string
	Second      int64
	Label       Label
	Confidence  float32 // of the label, [0.5, 1]
	Probability float32 // of video, calibrated
	Uncertain   bool
	Repeated    bool        // this second was asked before: the answer given then
	Restarted   bool        // REST only: the flow's model version is no longer served; its state began anew
	Err         WindowError // not empty: there is no label
}

// Response to a Request. Labels of windows come in the order of the request; those of packets as the windows closed.
type Response struct {
	Model  string // "name@version" that answered
	Labels []WindowLabel
}

// Truth is what a window really was.
type Truth struct {
	Flow   string
	Second int64
	Truth  Label
}

// FeedbackResult says what became of truths.
type FeedbackResult struct {
	Stored  uint64 // all of them; they survive the server's sudden end
	Matched uint64 // of these: windows whose label the server still remembers
}

// Classifier is what both clients are. Safe for concurrent use.
type Classifier interface {
	// Classify asks for labels. A request of windows alone is repeated after a lost connection; one with packets is not,
	// as they might count twice, and is repeated only where the server says that it took nothing.
	Classify(ctx context.Context, request *Request) (*Response, error)
	// Feedback stores truths. No error means that they are on the server's disk.
	Feedback(ctx context.Context, truths []Truth) (FeedbackResult, error)
}

// Repeatable reports whether the request may be sent again when it is not known whether it was taken.
func (r *Request) Repeatable() bool {
	for i := range r.Flows {
		if len(r.Flows[i].Packets) > 0 {
			return false
		}
	}
	return true
}
