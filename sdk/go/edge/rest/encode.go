package rest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"reelsense.dev/go/edge"
)

// appendRequest writes the body of POST /v1/classify. By hand: a packet is an array, and its time must keep its
// nanoseconds, which a float64 does not.
func appendRequest(b []byte, r *edge.Request) ([]byte, error) {
	var err error
	b = append(b, '{')
	if r.Model != "" {
		b = append(b, `"model":`...)
		if b, err = appendString(b, r.Model); err != nil {
			return nil, fmt.Errorf("model: %w", err)
		}
		b = append(b, ',')
	}
	b = append(b, `"windows":[`...)
	for i := range r.Windows {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendWindow(b, &r.Windows[i]); err != nil {
			return nil, fmt.Errorf("windows[%d].%w", i, err)
		}
	}
	b = append(b, `],"flows":[`...)
	for i := range r.Flows {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendFlow(b, &r.Flows[i]); err != nil {
			return nil, fmt.Errorf("flows[%d].%w", i, err)
		}
	}
	return append(b, "]}"...), nil
}

func appendWindow(b []byte, w *edge.Window) ([]byte, error) {
	b = append(b, `{"flow":`...)
	b, err := appendString(b, w.Flow)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	b = append(b, `,"second":`...)
	b = strconv.AppendInt(b, w.Second, 10)
	b = append(b, `,"features":[`...)
	for i, f := range w.Features {
		if v := float64(f); math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("features[%d]: %v, a finite number is expected", i, v)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
	}
	b = append(b, ']')
	if len(w.Bins) > 0 {
		b = append(b, `,"bins":[`...)
		for i, n := range w.Bins {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendUint(b, uint64(n), 10)
		}
		b = append(b, ']')
	}
	if w.End {
		b = append(b, `,"end":true`...)
	}
	return append(b, '}'), nil
}

func appendFlow(b []byte, f *edge.FlowPackets) ([]byte, error) {
	b = append(b, `{"flow":`...)
	b, err := appendString(b, f.Flow)
	if err != nil {
		return nil, fmt.Errorf("flow: %w", err)
	}
	b = append(b, `,"packets":[`...)
	for i, p := range f.Packets {
		if p.TimeNS < 0 {
			return nil, fmt.Errorf("packets[%d]: time %d ns, one since the epoch is expected", i, p.TimeNS)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = appendSeconds(b, p.TimeNS)
		b = append(b, ',')
		b = strconv.AppendUint(b, uint64(p.Bytes), 10)
		if p.Direction == edge.Up {
			b = append(b, `,"up"]`...)
		} else {
			b = append(b, `,"down"]`...)
		}
	}
	b = append(b, ']')
	if f.UntilNS > 0 {
		b = append(b, `,"until":`...)
		b = appendSeconds(b, f.UntilNS)
	}
	if f.End {
		b = append(b, `,"end":true`...)
	}
	return append(b, '}'), nil
}

// appendSeconds writes nanoseconds as seconds, all nine digits.
func appendSeconds(b []byte, ns int64) []byte {
	const second = 1_000_000_000
	b = strconv.AppendInt(b, ns/second, 10)
	b = append(b, '.')
	digits := strconv.AppendInt(nil, second+ns%second, 10)
	return append(b, digits[1:]...)
}

// appendString refuses what JSON cannot carry instead of changing it: a changed name is another flow.
func appendString(b []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%q is not UTF-8, which REST needs; gRPC takes any bytes", s)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return append(b, text...), nil
}
