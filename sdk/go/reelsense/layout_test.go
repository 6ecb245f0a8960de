package reelsense

import (
	"testing"
	"unsafe"

	"reelsense.dev/go/internal/capi"
)

func TestLayout_GoAndC_Agree(t *testing.T) {
	var p Packet
	var w rawWindow
	var s rawSecond
	var f rawFlow
	var c rawCounters
	var d Decision
	want := map[string]uintptr{
		"rs_decision": unsafe.Sizeof(d), "rs_decision.label": unsafe.Offsetof(d.Label),
		"rs_packet": unsafe.Sizeof(p), "rs_packet.destination": unsafe.Offsetof(p.Destination),
		"rs_packet.wire_bytes":       unsafe.Offsetof(p.WireBytes),
		"rs_packet.destination_port": unsafe.Offsetof(p.DestinationPort),
		"rs_packet.header_bytes":     unsafe.Offsetof(p.HeaderBytes), "rs_packet.protocol": unsafe.Offsetof(p.Protocol),
		"rs_packet.tcp_flags": unsafe.Offsetof(p.TCPFlags),
		"rs_window":           unsafe.Sizeof(w), "rs_window.bytes_down": unsafe.Offsetof(w.bytesDown),
		"rs_window.packets_down": unsafe.Offsetof(w.packetsDown), "rs_window.decision": unsafe.Offsetof(w.decision),
		"rs_window.features": unsafe.Offsetof(w.features), "rs_window.bins": unsafe.Offsetof(w.bins),
		"rs_window.tuple": unsafe.Offsetof(w.tuple), "rs_window.dscp_reason": unsafe.Offsetof(w.dscpReason),
		"rs_second": unsafe.Sizeof(s), "rs_second.session": unsafe.Offsetof(s.session),
		"rs_second.qos": unsafe.Offsetof(s.qos), "rs_second.bytes_up": unsafe.Offsetof(s.bytesUp),
		"rs_second.live_flows": unsafe.Offsetof(s.liveFlows),
		"rs_flow_summary":      unsafe.Sizeof(f), "rs_flow_summary.last_ns": unsafe.Offsetof(f.lastNS),
		"rs_flow_summary.bytes_down": unsafe.Offsetof(f.bytesDown), "rs_flow_summary.reason": unsafe.Offsetof(f.reason),
		"rs_flow_summary.tuple": unsafe.Offsetof(f.tuple),
		"rs_counters":           unsafe.Sizeof(c), "rs_counters.dropped": unsafe.Offsetof(c.dropped),
		"rs_counters.ended": unsafe.Offsetof(c.ended), "rs_counters.refused_calls": unsafe.Offsetof(c.refusedCalls),
		"rs_counters.peak_flows":    unsafe.Offsetof(c.peakFlows),
		"rs_counters.memory_bytes":  unsafe.Offsetof(c.memoryBytes),
		"rs_flow_tuple.server":      unsafe.Offsetof(w.tuple.server),
		"rs_flow_tuple.server_port": unsafe.Offsetof(w.tuple.serverPort),
		"rs_flow_tuple.ip_version":  unsafe.Offsetof(w.tuple.ipVersion),
		"rs_qos.throughput_kbps":    unsafe.Offsetof(s.qos.ThroughputKbps),
		"rs_qos.changed":            unsafe.Offsetof(s.qos.Changed),
	}
	got := capi.Layout()
	if len(got) != len(want) {
		t.Errorf("%d sizes and offsets, expected %d", len(got), len(want))
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is at %d in C, at %d in Go", name, got[name], value)
		}
	}
}

func TestStatus_Names_AreThoseOfTheHeader(t *testing.T) {
	for status, name := range map[Status]string{
		ErrInvalidArgument: "RS_INVALID_ARGUMENT", ErrCorrupt: "RS_CORRUPT", ErrUnsupported: "RS_UNSUPPORTED",
		ErrMismatch: "RS_MISMATCH", ErrLimit: "RS_LIMIT", ErrBusy: "RS_BUSY", ErrClosed: "RS_CLOSED", ErrMemory: "RS_MEMORY",
	} {
		if status.Error() != name {
			t.Errorf("status %d is %s in C, %s in Go", uint32(status), status.Error(), name)
		}
	}
	for reason, name := range map[Reason]string{ReasonDefault: "default", ReasonVideo: "video",
		ReasonCongested: "congested", ReasonNonVideo: "non-video", ReasonUncertain: "uncertain", ReasonHold: "hold",
		ReasonIdle: "idle", ReasonBulk: "bulk"} {
		if reason.String() != name {
			t.Errorf("reason %d is %s in C, %s expected", uint8(reason), reason, name)
		}
	}
}
