package reelsense

import (
	"fmt"
	"net/netip"
	"time"

	"reelsense.dev/go/internal/capi"
)

// View is how traffic is seen.
type View uint32

// The views of the device tier.
const (
	ViewPacket View = 0 // IP packets of a capture, a TUN device or a network stack
	ViewSocket View = 1 // bytes that an app read and wrote on a connection
)

func (v View) String() string {
	switch v {
	case ViewPacket:
		return "packet"
	case ViewSocket:
		return "socket"
	}
	return fmt.Sprintf("View(%d)", uint32(v))
}

// FeatureNames lists the view's features in the order of its vectors; nil for no view.
func (v View) FeatureNames() []string {
	names := make([]string, capi.FeatureCount(uint32(v)))
	for i := range names {
		names[i] = capi.FeatureName(uint32(v), uint32(i))
	}
	return names
}

// FeatureCount is the length of the view's feature vectors; 0 for no view.
func (v View) FeatureCount() int { return capi.FeatureCount(uint32(v)) }

// SchemaHash is the SHA-256 of the view's feature table, in hexadecimal: what a model must have been trained on.
func (v View) SchemaHash() (string, error) {
	hash, status := capi.SchemaHash(uint32(v))
	return hash, failure("schema hash", status, "there is no view "+v.String())
}

// Direction of a packet, read or write.
type Direction uint8

// Up is from the client, who opened the flow; Down is towards it.
const (
	Up   Direction = 0
	Down Direction = 1
)

func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// Label of a window or of a session.
type Label uint8

// The two labels.
const (
	NonVideo Label = 0
	Video    Label = 1
)

func (l Label) String() string {
	if l == Video {
		return "video"
	}
	return "non-video"
}

// Decision of a model.
type Decision struct {
	Probability float32 // of video, calibrated
	Confidence  float32 // of the label, [0.5, 1]
	Label       Label
	Uncertain   bool // not to be acted on alone
	_           [2]uint8
}

// Reason why a QoS value is as it is.
type Reason uint8

// The reasons.
const (
	ReasonDefault   Reason = 0 // nothing known yet: what an app does without Reelsense
	ReasonVideo     Reason = 1 // video, and the path keeps up
	ReasonCongested Reason = 2 // video, and the path does not keep up
	ReasonNonVideo  Reason = 3 // other traffic
	ReasonUncertain Reason = 4 // not sure: safe values
	ReasonHold      Reason = 5 // not sure since a moment: the last sure decision is held
	ReasonIdle      Reason = 6 // silence between bursts: the last decision stays
	ReasonBulk      Reason = 7 // a long transfer that is not video: may stand back
)

func (r Reason) String() string { return capi.ReasonName(uint8(r)) }

// Differentiated services code points that a flow may be given.
const (
	DSCPDefault     = 0
	DSCPLowerEffort = 1  // RFC 8622
	DSCPVideo       = 26 // AF31, multimedia streaming of RFC 4594
)

// EndReason says why a flow ended.
type EndReason uint32

// The ends of flows.
const (
	EndFinished EndReason = 0 // packet view: RST, or FIN from both sides; socket view: closed
	EndIdle     EndReason = 1
	EndActive   EndReason = 2
	EndReopened EndReason = 3
	EndEvicted  EndReason = 4 // the table was full
	EndTimeStep EndReason = 5 // the clock was set anew
	EndEnd      EndReason = 6 // Finish
)

var endNames = [...]string{"finished", "idle", "active", "reopened", "evicted", "time_step", "end"}

func (r EndReason) String() string {
	if int(r) < len(endNames) {
		return endNames[r]
	}
	return fmt.Sprintf("EndReason(%d)", uint32(r))
}

// Tuple is the five-tuple of a flow; zero in the socket view.
type Tuple struct {
	Client, Server netip.AddrPort
	Protocol       uint8 // IANA
}

// Bins is the number of 50 ms byte counts of a window: 20 down, then 20 up. MaxFeatures is the longest feature vector.
const (
	Bins        = 40
	MaxFeatures = 48
)

// Window is one flow's second that had packets, reads or writes. It is a plain value: copy it to keep it.
type Window struct {
	Second                 int64  // k: the window is [k, k+1) s since the epoch
	Flow                   uint64 // socket view: Flow.ID; packet view: number in order of first packets
	BytesUp, BytesDown     uint64
	PacketsUp, PacketsDown uint32   // socket view: writes and reads
	Decision               Decision // without a model: probability 0.5, uncertain
	Tuple                  Tuple
	DSCP                   uint8  // a DSCP… value, from this second on
	DSCPReason             Reason // why
	Bins                   [Bins]uint32
	features               [MaxFeatures]float32
	width                  uint8
}

// Features is the window's feature vector, in the order of View.FeatureNames. It shares the window's memory.
func (w *Window) Features() []float32 { return w.features[:w.width] }

// Start is the window's first instant.
func (w *Window) Start() time.Time { return time.Unix(w.Second, 0) }

// QoS is what an app or network should do for a session, from a second on.
type QoS struct {
	PrefetchDepth  uint32 // clips to fetch ahead
	BufferTargetMS uint32 // media to hold before fetching pauses
	MaxBitrateKbps uint32 // 0: no limit
	ThroughputKbps uint32 // the estimate that these rest on; 0: not known
	PrefetchReason Reason
	BufferReason   Reason
	BitrateReason  Reason
	Changed        bool // differs from the second before
}

// Second is a second of the whole session: all flows of the classifier together, idle seconds too.
type Second struct {
	Second             int64    // k: [k, k+1) s since the epoch
	Session            Decision // is video being watched? Also through idle seconds between bursts
	QoS                QoS
	BytesUp, BytesDown uint64
	Windows            uint32 // flows with packets in it
	LiveFlows          uint32
}

// FlowSummary is an ended flow.
type FlowSummary struct {
	Flow                   uint64
	FirstNS, LastNS        int64 // event times, nanoseconds since the epoch
	PacketsUp, PacketsDown uint64
	BytesUp, BytesDown     uint64
	Windows                uint32 // labelled
	IdleWindows            uint32
	VideoWindows           uint32
	Reason                 EndReason
	Tuple                  Tuple
}

// Packet is an IP packet of which the headers were read elsewhere. Its layout is the C ABI's: a slice of them crosses
// without a copy.
type Packet struct {
	TimeNS          int64    // event time, nanoseconds since the epoch
	Source          [16]byte // IPv6, or IPv4 as ::ffff:a.b.c.d
	Destination     [16]byte
	WireBytes       uint32 // IP packet, header included
	SourcePort      uint16
	DestinationPort uint16
	HeaderBytes     uint16 // IP and transport headers; 0: 40
	IPVersion       uint8  // 4 or 6
	Protocol        uint8  // IANA
	TCPFlags        uint8  // FIN 1, SYN 2, RST 4, ACK 16
	_               [3]uint8
}

// SetAddresses fills in both addresses, ports and the IP version.
func (p *Packet) SetAddresses(source, destination netip.AddrPort) {
	p.Source, p.Destination = source.Addr().As16(), destination.Addr().As16()
	p.SourcePort, p.DestinationPort = source.Port(), destination.Port()
	p.IPVersion = 6
	if source.Addr().Unmap().Is4() {
		p.IPVersion = 4
	}
}

// LinkType is a link layer as in a capture file.
type LinkType uint32

// Link types: the common two of the DLT numbers.
const (
	LinkEthernet LinkType = 1
	LinkRaw      LinkType = 101 // IP without a link header: a TUN device
)

// Frame is a packet as captured. Only its headers are read.
type Frame struct {
	TimeNS    int64  // event time, nanoseconds since the epoch
	Data      []byte // from the link layer's first byte; may be cut short
	WireBytes uint32 // length on the link; less than len(Data): taken as that
}

// Counters of a classifier since it was made.
type Counters struct {
	Records          uint64 // packets, or reads and writes, that count for a flow
	Packets          uint64 // those they stand for (offloads merge packets)
	Late             uint64
	Dropped          map[string]uint64 // packets without a flow, by reason; those that are not 0
	Flows            uint64
	Ended            map[EndReason]uint64 // those that are not 0
	Windows          uint64
	VideoWindows     uint64
	UncertainWindows uint64
	IdleWindows      uint64
	TimeSteps        uint64
	LiveFlows        uint32
	PeakFlows        uint32
	MemoryBytes      uint64 // what the C++ side holds at most, its model not counted
	Undelivered      uint64 // windows that a Handler was too slow for
}
