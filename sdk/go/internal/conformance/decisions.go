package conformance

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"reelsense.dev/go/reelsense"
)

type windowJSON struct {
	Second      int64   `json:"second"`
	Flow        uint64  `json:"flow"`
	Probability float64 `json:"probability"`
	Label       string  `json:"label"`
	Uncertain   bool    `json:"uncertain"`
	DSCP        uint8   `json:"dscp"`
	DSCPReason  string  `json:"dscp_reason"`
}

type secondJSON struct {
	Second         int64    `json:"second"`
	Probability    float64  `json:"probability"`
	Label          string   `json:"label"`
	Uncertain      bool     `json:"uncertain"`
	PrefetchDepth  uint32   `json:"prefetch_depth"`
	BufferTargetMS uint32   `json:"buffer_target_ms"`
	MaxBitrateKbps uint32   `json:"max_bitrate_kbps"`
	ThroughputKbps uint32   `json:"throughput_kbps"`
	Reasons        []string `json:"reasons"` // prefetch, buffer, bitrate
}

// decisionJSON is one line: either of the two.
type decisionJSON struct {
	Window *windowJSON `json:"window"`
	Second *secondJSON `json:"second"`
}

// decisionChecker compares results with the expected lines as they come.
type decisionChecker struct {
	want []decisionJSON
	next int
	err  error // the first difference
}

func runDecisions(root, file string) error {
	var header struct {
		Capture  string `json:"capture"`
		Model    string `json:"model"`
		MaxFlows uint32 `json:"max_flows"`
	}
	var checker decisionChecker
	err := lines(filepath.Join(root, file), &header, func(line []byte) error {
		var d decisionJSON
		if err := json.Unmarshal(line, &d); err != nil {
			return err
		}
		if (d.Window == nil) == (d.Second == nil) {
			return fmt.Errorf("neither a window nor a second")
		}
		checker.want = append(checker.want, d)
		return nil
	})
	if err != nil {
		return err
	}
	model, err := reelsense.LoadModelFile(filepath.Join(root, header.Model))
	if err != nil {
		return err
	}
	defer model.Close()
	err = classify(filepath.Join(root, header.Capture), model,
		reelsense.Options{MaxFlows: header.MaxFlows, Handler: &checker})
	if err != nil {
		return err
	}
	if checker.err == nil && checker.next != len(checker.want) {
		return fmt.Errorf("%d windows and seconds, expected %d", checker.next, len(checker.want))
	}
	return checker.err
}

// take gives the next expected line, unless something differed before.
func (c *decisionChecker) take() *decisionJSON {
	if c.err != nil {
		return nil
	}
	if c.next == len(c.want) {
		c.err = fmt.Errorf("more than the %d windows and seconds expected", len(c.want))
		return nil
	}
	c.next++
	return &c.want[c.next-1]
}

func (c *decisionChecker) note(err error) {
	if err != nil {
		c.err = fmt.Errorf("line %d: %w", c.next+1, err)
	}
}

func probability(got float32, want float64) error {
	if !close32(got, want) {
		return fmt.Errorf("probability is %v, expected %v", got, want)
	}
	return nil
}

func (c *decisionChecker) HandleWindows(windows []reelsense.Window) {
	for i := range windows {
		line := c.take()
		if line == nil {
			return
		}
		w, want := &windows[i], line.Window
		if want == nil {
			c.note(fmt.Errorf("a window of second %d, expected a second", w.Second))
			return
		}
		err := equal("second", w.Second, want.Second, "flow", w.Flow, want.Flow, "label", w.Decision.Label, want.Label,
			"uncertain", w.Decision.Uncertain, want.Uncertain, "dscp", w.DSCP, want.DSCP,
			"dscp_reason", w.DSCPReason, want.DSCPReason)
		if err == nil {
			err = probability(w.Decision.Probability, want.Probability)
		}
		c.note(err)
	}
}

func (c *decisionChecker) HandleSecond(s reelsense.Second) {
	line := c.take()
	if line == nil {
		return
	}
	want := line.Second
	if want == nil {
		c.note(fmt.Errorf("second %d, expected a window", s.Second))
		return
	}
	err := equal("second", s.Second, want.Second, "label", s.Session.Label, want.Label,
		"uncertain", s.Session.Uncertain, want.Uncertain, "prefetch_depth", s.QoS.PrefetchDepth, want.PrefetchDepth,
		"buffer_target_ms", s.QoS.BufferTargetMS, want.BufferTargetMS,
		"max_bitrate_kbps", s.QoS.MaxBitrateKbps, want.MaxBitrateKbps,
		"throughput_kbps", s.QoS.ThroughputKbps, want.ThroughputKbps,
		"reasons", []reelsense.Reason{s.QoS.PrefetchReason, s.QoS.BufferReason, s.QoS.BitrateReason}, want.Reasons)
	if err == nil {
		err = probability(s.Session.Probability, want.Probability)
	}
	c.note(err)
}

func (c *decisionChecker) HandleFlowEnd(reelsense.FlowSummary) {}
