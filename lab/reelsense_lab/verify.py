"""What contradicts a session's scenario; a session with findings is recorded again, and is not `ok`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from reelsense_lab import flow_truth, truth, workloads
from reelsense_lab.scenario import CDN_CLASSES, Session

MTU = 1500
MAX_STEP_BACK_NS = 1_000_000  # packets of two directions may swap places on two CPUs
MIN_ATTRIBUTED_SHARE = 0.99
# Stream bytes against IP bytes of the same flows: headers, encryption, acknowledgements and retransmissions between.
MIN_STREAM_OF_IP_SHARE = 0.70
MIN_PACKETS = 10
UNFINISHED = "unknown"  # the protocol of a request that the page gave up
PROTOCOL_NAMES = {"h1": "http/1.1", "h2": "h2", "h3": "h3"}


def findings(
    wanted: Session,
    packets: Sequence[truth.Packet],
    labelled: flow_truth.FlowTruth,
    events: Sequence[Mapping[str, Any]],
    counters: Mapping[str, int],
    requests: Mapping[str, int],
) -> list[str]:
    """Empty when all is well."""
    if len(packets) < MIN_PACKETS or not labelled.seconds:
        return [f"only {len(packets)} packets"]
    found: list[str] = []
    if (big := max(packet.ip_bytes for packet in packets)) > MTU:
        found.append(f"a packet of {big} bytes is longer than the MTU: offloads are on")
    if labelled.strangers:
        found.append(f"flows between addresses that are not the lab's: {', '.join(sorted(labelled.strangers))}")
    step_back_ns = max((earlier.time_ns - later.time_ns for earlier, later in pairwise(packets)), default=0)
    if step_back_ns > MAX_STEP_BACK_NS:
        found.append(f"time steps back by {step_back_ns} ns")
    if counters["dropped_by_kernel"]:
        found.append(f"tcpdump lost {counters['dropped_by_kernel']} packets")
    if len(packets) != counters["packets"]:
        found.append(f"{len(packets)} TCP and UDP packets, tcpdump counted {counters['packets']}")
    found += [
        f"the browser's driver reported an error: {event.get('message', '')}"
        for event in events
        if event["event"] == "error" and event.get("tab") == "browser"
    ]
    return [*found, *_content(wanted, labelled), *_mixed(wanted, labelled), *_protocol(wanted, requests)]


def _content(wanted: Session, labelled: flow_truth.FlowTruth) -> list[str]:
    """The workloads' servers were talked to; video sessions bring video, others none."""
    seen = {each.server_class for each in labelled.seconds if not each.other_device}
    through_cdn = wanted.cdn and "cdn" in seen
    wished = {workloads.WORKLOADS[name].classes[0]: name for name in wanted.workloads}
    missing = {name: server for server, name in wished.items() if server not in seen and not through_cdn}
    if missing:
        return [f"no flow to the {server} server in {name}" for name, server in missing.items()]
    video = sum(each.video_bytes_down for each in labelled.seconds)
    if wanted.label == flow_truth.VIDEO and video == 0:
        return ["a video session without a byte of video"]
    if wanted.label == flow_truth.NON_VIDEO and video:
        return [f"a session without video workloads has {video} bytes of video"]
    return []


def _mixed(wanted: Session, labelled: flow_truth.FlowTruth) -> list[str]:
    if not wanted.cdn:
        return []
    share, stream = labelled.attributed_share, labelled.cdn_stream
    if share is None:
        return ["the network log has no stream of the mixed connection"]
    found = []
    if share < MIN_ATTRIBUTED_SHARE:
        found.append(f"only {share:.4f} of the mixed connection's stream bytes have a path")
    of_ip = (stream.video + stream.other + stream.unknown) / max(1, labelled.cdn_bytes_down)
    if not MIN_STREAM_OF_IP_SHARE <= of_ip <= 1:
        found.append(f"stream bytes are {of_ip:.3f} of the mixed connection's IP bytes: packets or log are missing")
    return found


def _protocol(wanted: Session, requests: Mapping[str, int]) -> list[str]:
    """Only the hosts that serve content: a chat's WebSocket is HTTP/1.1 whatever the session uses."""
    hosts = {f"{name}.lab.test" for name in (*CDN_CLASSES, "www", "cdn")}
    expected = PROTOCOL_NAMES[wanted.protocol]
    unlike = {
        key: count
        for key, count in requests.items()
        if key.split()[0] in hosts and key.split()[-1] not in (expected, UNFINISHED)
    }
    return [f"requests not over {expected}: {unlike}"] if unlike else []
