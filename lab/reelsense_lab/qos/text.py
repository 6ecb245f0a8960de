"""The words around the report's tables."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

_REPORT = Template("""\
<!-- Made by `scripts/qos-lab --publish` from the results of its runs. Do not edit. -->
# What the decisions do for players: a report from the lab

Real Chromium players watch reels on congested paths while two downloads of another device compete for the same link.
Runs come in pairs with one seed: the same clips, swipes, app design, path and downloads, with and without Reelsense.
How to repeat it: [QoS lab](../how-to/qos-lab.md).

## In short

$verdict

Intervals are 95 % intervals of the paired bootstrap over seeds (10,000 resamples).

## How it was made

$conditions

## Means

![Means]($images/qos-means.svg)

$means

- *Rebuffering ratio*: stalled time over stalled and played time, after a clip's first frame; the mean of the runs'
  ratios, 1 for a run in which nothing was ever played.
- *Time without a picture*: waiting for first frames and stalls, over all the time that clips were in front. It counts
  what the rebuffering ratio leaves out: a clip that never starts never stalls.
- *Never started*: share of clips that were left, or that the run's end met, before their first frame.
- *Wait for the first frame*: from the swipe, over all clips. One that never started counts with the time that it was
  waited for, which is a lower bound. The mean of those that started is beside it: it is flattered where few start.
- *Bitrate shown*: of the media that was shown, by the time it was shown.
- *Fetched, never shown*: bytes from the video server, headers included, less those of the media that was shown.
- *Both downloads*: what the two competing downloads got together, from the first one's start.

![Waits]($images/qos-waits.svg)

## Paired differences

`*`: the interval excludes zero.

$differences

![Pairs]($images/qos-pairs.svg)

## How much of the perfect label's gain

The same arm with the truth in place of the classifier: for the network, all flows of the video server from their
first packet on; for the app, the same policy over the packets of the video server alone, with a model that calls each
of their seconds video. "No gain to share" where even the perfect label's gain cannot be told from zero.

$gains

## By path

$paths

## The labels at work

Shares of bytes towards the client; "went first" means that the flow had the video mark in the middle of that second.

$labels

## Did the lab itself keep up

Runs in which a packet was lost to the emulator's or tcpdump's buffers were repeated. "Some task waiting" is the share
of time in which a task of the whole machine waited for a processor. A full link of 3 Mbit/s carries 3.00.

$machine

## What this does not say

- Players, servers and designs are the lab's, and the released model has learned from other sessions of the same
  designs, some of them beside downloads by the same program on paths of the same kinds. The queues of the fixed path
  and all seeds here are new to it. How it does on app designs that it has not seen beside downloads is in
  training/README.md. Figures of a lab are lab figures.
- The downloads run on another device behind the same link. An app that shares its phone with a download would see
  both.
- One video flow competes with two bulk flows. What a network does for one user it takes from others: the table above
  has what the downloads lose.
""")


def report(images: str, parts: Mapping[str, str]) -> str:
    return _REPORT.substitute(parts, images=images)
