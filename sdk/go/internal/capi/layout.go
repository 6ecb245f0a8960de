package capi

/*
#include "shim.h"
*/
import "C"

import "unsafe"

// Layout gives the sizes of the C structs, "rs_packet", and the offsets of the fields by which a wrong mirror would show,
// "rs_packet.wire_bytes". For the test that compares them with the Go structs.
func Layout() map[string]uintptr {
	var packet C.rs_packet
	var window C.rs_window
	var second C.rs_second
	var flow C.rs_flow_summary
	var counters C.rs_counters
	var decision C.rs_decision
	return map[string]uintptr{
		"rs_decision":                unsafe.Sizeof(decision),
		"rs_decision.label":          unsafe.Offsetof(decision.label),
		"rs_packet":                  unsafe.Sizeof(packet),
		"rs_packet.destination":      unsafe.Offsetof(packet.destination),
		"rs_packet.wire_bytes":       unsafe.Offsetof(packet.wire_bytes),
		"rs_packet.destination_port": unsafe.Offsetof(packet.destination_port),
		"rs_packet.header_bytes":     unsafe.Offsetof(packet.header_bytes),
		"rs_packet.protocol":         unsafe.Offsetof(packet.protocol),
		"rs_packet.tcp_flags":        unsafe.Offsetof(packet.tcp_flags),
		"rs_window":                  unsafe.Sizeof(window),
		"rs_window.bytes_down":       unsafe.Offsetof(window.bytes_down),
		"rs_window.packets_down":     unsafe.Offsetof(window.packets_down),
		"rs_window.decision":         unsafe.Offsetof(window.decision),
		"rs_window.features":         unsafe.Offsetof(window.features),
		"rs_window.bins":             unsafe.Offsetof(window.bins),
		"rs_window.tuple":            unsafe.Offsetof(window.tuple),
		"rs_window.dscp_reason":      unsafe.Offsetof(window.dscp_reason),
		"rs_second":                  unsafe.Sizeof(second),
		"rs_second.session":          unsafe.Offsetof(second.session),
		"rs_second.qos":              unsafe.Offsetof(second.qos),
		"rs_second.bytes_up":         unsafe.Offsetof(second.bytes_up),
		"rs_second.live_flows":       unsafe.Offsetof(second.live_flows),
		"rs_flow_summary":            unsafe.Sizeof(flow),
		"rs_flow_summary.last_ns":    unsafe.Offsetof(flow.last_ns),
		"rs_flow_summary.bytes_down": unsafe.Offsetof(flow.bytes_down),
		"rs_flow_summary.reason":     unsafe.Offsetof(flow.reason),
		"rs_flow_summary.tuple":      unsafe.Offsetof(flow.tuple),
		"rs_counters":                unsafe.Sizeof(counters),
		"rs_counters.dropped":        unsafe.Offsetof(counters.dropped),
		"rs_counters.ended":          unsafe.Offsetof(counters.ended),
		"rs_counters.refused_calls":  unsafe.Offsetof(counters.refused_calls),
		"rs_counters.peak_flows":     unsafe.Offsetof(counters.peak_flows),
		"rs_counters.memory_bytes":   unsafe.Offsetof(counters.memory_bytes),
		"rs_flow_tuple.server":       unsafe.Offsetof(window.tuple.server),
		"rs_flow_tuple.server_port":  unsafe.Offsetof(window.tuple.server_port),
		"rs_flow_tuple.ip_version":   unsafe.Offsetof(window.tuple.ip_version),
		"rs_qos.throughput_kbps":     unsafe.Offsetof(second.qos.throughput_kbps),
		"rs_qos.changed":             unsafe.Offsetof(second.qos.changed),
	}
}
