package reelsense

import (
	"net/netip"
	"unsafe"

	"reelsense.dev/go/internal/capi"
)

// The C ABI's structs as Go structs of the same layout, for what comes out of it. TestLayout compares them.

// The package is for 64-bit systems, where both languages lay structs out alike.
const _ = uint(unsafe.Sizeof(uintptr(0)) - 8)

type rawTuple struct {
	client, server         [16]byte
	clientPort, serverPort uint16
	protocol, ipVersion    uint8
	_                      [2]uint8
}

type rawWindow struct {
	second                 int64
	flow                   uint64
	bytesUp, bytesDown     uint64
	packetsUp, packetsDown uint32
	decision               Decision
	features, bins         unsafe.Pointer // C memory
	tuple                  rawTuple
	dscp                   uint8
	dscpReason             Reason
	_                      [14]uint8
}

type rawSecond struct {
	size               uint64
	second             int64
	session            Decision
	qos                QoS
	bytesUp, bytesDown uint64
	windows, liveFlows uint32
}

type rawFlow struct {
	size                               uint64
	flow                               uint64
	firstNS, lastNS                    int64
	packetsUp, packetsDown             uint64
	bytesUp, bytesDown                 uint64
	windows, idleWindows, videoWindows uint32
	reason                             EndReason
	tuple                              rawTuple
}

const dropReasons = 8

type rawCounters struct {
	size                                                 uint64
	records, packets, late                               uint64
	dropped                                              [dropReasons]uint64
	flows                                                uint64
	ended                                                [len(endNames)]uint64
	windows, videoWindows, uncertainWindows, idleWindows uint64
	timeSteps, refusedCalls                              uint64
	liveFlows, peakFlows                                 uint32
	memoryBytes                                          uint64
}

func (t *rawTuple) public() Tuple {
	client, server := netip.AddrFrom16(t.client), netip.AddrFrom16(t.server)
	switch t.ipVersion {
	case 0:
		return Tuple{} // the socket view knows no addresses
	case 4:
		client, server = client.Unmap(), server.Unmap()
	}
	return Tuple{
		Client:   netip.AddrPortFrom(client, t.clientPort),
		Server:   netip.AddrPortFrom(server, t.serverPort),
		Protocol: t.protocol,
	}
}

func (w *rawWindow) copyTo(out *Window, width uint8) {
	*out = Window{
		Second: w.second, Flow: w.flow, BytesUp: w.bytesUp, BytesDown: w.bytesDown, PacketsUp: w.packetsUp,
		PacketsDown: w.packetsDown, Decision: w.decision, Tuple: w.tuple.public(), DSCP: w.dscp,
		DSCPReason: w.dscpReason, width: width,
	}
	copy(out.features[:width], unsafe.Slice((*float32)(w.features), int(width)))
	copy(out.Bins[:], unsafe.Slice((*uint32)(w.bins), Bins))
}

func (s *rawSecond) public() Second {
	return Second{Second: s.second, Session: s.session, QoS: s.qos, BytesUp: s.bytesUp, BytesDown: s.bytesDown,
		Windows: s.windows, LiveFlows: s.liveFlows}
}

func (f *rawFlow) public() FlowSummary {
	return FlowSummary{
		Flow: f.flow, FirstNS: f.firstNS, LastNS: f.lastNS, PacketsUp: f.packetsUp, PacketsDown: f.packetsDown,
		BytesUp: f.bytesUp, BytesDown: f.bytesDown, Windows: f.windows, IdleWindows: f.idleWindows,
		VideoWindows: f.videoWindows, Reason: f.reason, Tuple: f.tuple.public(),
	}
}

func (c *rawCounters) public() Counters {
	out := Counters{
		Records: c.records, Packets: c.packets, Late: c.late, Dropped: map[string]uint64{}, Flows: c.flows,
		Ended: map[EndReason]uint64{}, Windows: c.windows, VideoWindows: c.videoWindows,
		UncertainWindows: c.uncertainWindows, IdleWindows: c.idleWindows, TimeSteps: c.timeSteps,
		LiveFlows: c.liveFlows, PeakFlows: c.peakFlows, MemoryBytes: c.memoryBytes,
	}
	for i, n := range c.dropped {
		if n > 0 {
			out.Dropped[capi.DropName(uint32(i))] = n
		}
	}
	for i, n := range c.ended {
		if n > 0 {
			out.Ended[EndReason(i)] = n
		}
	}
	return out
}
