package conformance

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"time"

	"reelsense.dev/go/pcap"
	"reelsense.dev/go/reelsense"
)

type tupleJSON struct {
	Client     netip.Addr `json:"client"`
	ClientPort uint16     `json:"client_port"`
	Server     netip.Addr `json:"server"`
	ServerPort uint16     `json:"server_port"`
	Protocol   uint8      `json:"protocol"`
}

func (t tupleJSON) tuple() reelsense.Tuple {
	return reelsense.Tuple{Client: netip.AddrPortFrom(t.Client, t.ClientPort),
		Server: netip.AddrPortFrom(t.Server, t.ServerPort), Protocol: t.Protocol}
}

// vectorJSON is a row, or an ended flow where there is a reason.
type vectorJSON struct {
	tupleJSON
	Second      int64     `json:"second"`
	Flow        uint64    `json:"flow"`
	PacketsUp   uint64    `json:"packets_up"`
	PacketsDown uint64    `json:"packets_down"`
	BytesUp     uint64    `json:"bytes_up"`
	BytesDown   uint64    `json:"bytes_down"`
	Features    []float64 `json:"features"`
	Bins        []uint32  `json:"bins"`

	Reason      string `json:"reason"`
	FirstNS     int64  `json:"first_ns"`
	LastNS      int64  `json:"last_ns"`
	Windows     uint32 `json:"windows"`
	IdleWindows uint32 `json:"idle_windows"`
}

func runCapture(root, file string) error {
	var header struct {
		Capture string `json:"capture"`
		Options struct {
			MaxFlows        uint32 `json:"max_flows"`
			IdleTimeoutNS   int64  `json:"idle_timeout_ns"`
			ActiveTimeoutNS int64  `json:"active_timeout_ns"`
		} `json:"options"`
	}
	var rows, ended []vectorJSON
	err := lines(filepath.Join(root, file), &header, func(line []byte) error {
		var v vectorJSON
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		if v.Reason == "" {
			rows = append(rows, v)
		} else {
			ended = append(ended, v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var got reelsense.Collector
	err = classify(filepath.Join(root, "tests/golden/captures", header.Capture), nil, reelsense.Options{
		MaxFlows:      header.Options.MaxFlows,
		IdleTimeout:   time.Duration(header.Options.IdleTimeoutNS),
		ActiveTimeout: time.Duration(header.Options.ActiveTimeoutNS),
		Handler:       &got,
	})
	if err != nil {
		return err
	}
	return compareCapture(&got, rows, ended)
}

// classify gives a capture to a packet classifier and finishes it.
func classify(path string, model *reelsense.Model, options reelsense.Options) error {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	link, frames, err := pcap.Read(bytes)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	classifier, err := reelsense.NewClassifier(model, options)
	if err != nil {
		return err
	}
	defer classifier.Close()
	if err := classifier.AddFrames(link, frames); err != nil {
		return err
	}
	return classifier.Finish()
}

func compareCapture(got *reelsense.Collector, rows, ended []vectorJSON) error {
	if len(got.Windows) != len(rows) || len(got.Flows) != len(ended) {
		return fmt.Errorf("%d rows and %d ended flows, expected %d and %d", len(got.Windows), len(got.Flows), len(rows),
			len(ended))
	}
	for i := range rows {
		w, want := &got.Windows[i], &rows[i]
		err := equal("second", w.Second, want.Second, "flow", w.Flow, want.Flow, "tuple", w.Tuple, want.tuple(),
			"packets_up", w.PacketsUp, want.PacketsUp, "packets_down", w.PacketsDown, want.PacketsDown,
			"bytes_up", w.BytesUp, want.BytesUp, "bytes_down", w.BytesDown, want.BytesDown,
			"bins", w.Bins[:], want.Bins)
		if err == nil {
			err = features(w.Features(), want.Features)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", i, err)
		}
	}
	sort.Slice(got.Flows, func(a, b int) bool { return got.Flows[a].Flow < got.Flows[b].Flow })
	sort.SliceStable(ended, func(a, b int) bool { return ended[a].Flow < ended[b].Flow })
	for i, f := range got.Flows {
		want := &ended[i]
		err := equal("flow", f.Flow, want.Flow, "reason", f.Reason, want.Reason, "tuple", f.Tuple, want.tuple(),
			"first_ns", f.FirstNS, want.FirstNS, "last_ns", f.LastNS, want.LastNS,
			"packets_up", f.PacketsUp, want.PacketsUp, "packets_down", f.PacketsDown, want.PacketsDown,
			"bytes_up", f.BytesUp, want.BytesUp, "bytes_down", f.BytesDown, want.BytesDown,
			"windows", f.Windows, want.Windows, "idle_windows", f.IdleWindows, want.IdleWindows)
		if err != nil {
			return fmt.Errorf("ended flow %d: %w", i, err)
		}
	}
	return nil
}
