package rest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"reelsense.dev/go/edge"
)

// Analysis is a whole capture that the server labels in the background.
type Analysis struct {
	ID       string  `json:"id"`
	State    string  `json:"state"` // "waiting", "running", "done", "failed", "cancelled"
	Model    string  `json:"model"`
	Name     string  `json:"name"`
	Progress float64 `json:"progress"` // share of the capture that was read
	Error    string  `json:"error"`    // why it failed, and where
	Warning  string  `json:"warning"`  // of a cut or damaged capture: what was left out
	Summary  struct {
		Packets          uint64  `json:"packets"`
		Skipped          uint64  `json:"skipped"`
		Flows            uint64  `json:"flows"`
		Windows          uint64  `json:"windows"`
		VideoWindows     uint64  `json:"video_windows"`
		UncertainWindows uint64  `json:"uncertain_windows"`
		BytesDown        uint64  `json:"bytes_down"`
		VideoBytesDown   uint64  `json:"video_bytes_down"`
		CaptureSeconds   float64 `json:"capture_s"`
		ElapsedSeconds   float64 `json:"elapsed_s"`
	} `json:"summary"`
}

// Ended reports whether nothing will change any more.
func (a *Analysis) Ended() bool { return a.State != "waiting" && a.State != "running" }

// SubmitAnalysis sends a pcap or pcapng file, also compressed. model and name may be empty. It is sent once: what was read
// of the capture cannot be read again. The id is that of Analysis.
func (c *Client) SubmitAnalysis(ctx context.Context, capture io.Reader, model, name string) (id string, err error) {
	query := url.Values{}
	if model != "" {
		query.Set("model", model)
	}
	if name != "" {
		query.Set("name", name)
	}
	var answer struct{ ID string }
	err = c.do(ctx, &call{method: http.MethodPost, path: "/v1/analyses?" + query.Encode(),
		contentType: "application/vnd.tcpdump.pcap", stream: capture, answer: &answer})
	return answer.ID, err
}

// Analysis tells how far an analysis is.
func (c *Client) Analysis(ctx context.Context, id string) (*Analysis, error) {
	analysis := new(Analysis)
	err := c.do(ctx, &call{method: http.MethodGet, path: "/v1/analyses/" + url.PathEscape(id), repeatable: true,
		answer: analysis})
	if err != nil {
		return nil, err
	}
	return analysis, nil
}

// WaitForAnalysis asks until the analysis ended or the context did. A failed one is no error of the call: see State.
func (c *Client) WaitForAnalysis(ctx context.Context, id string) (*Analysis, error) {
	for pause := 20 * time.Millisecond; ; pause *= 2 {
		analysis, err := c.Analysis(ctx, id)
		if err != nil || analysis.Ended() {
			return analysis, err
		}
		if pause > 2*time.Second {
			pause = 2 * time.Second
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return analysis, transportError(ctx, "wait for analysis "+id, ctx.Err())
		}
	}
}

// AnalysisLabels writes the labels of an analysis that is done to out, as CSV with a header.
func (c *Client) AnalysisLabels(ctx context.Context, id string, out io.Writer) error {
	return c.do(ctx, &call{method: http.MethodGet, path: "/v1/analyses/" + url.PathEscape(id) + "/labels",
		accept: func(response *http.Response) error {
			if _, err := io.Copy(out, response.Body); err != nil {
				return &edge.Error{Op: "GET labels of " + id, Kind: edge.ErrProtocol, Detail: err.Error(), Cause: err}
			}
			return nil
		}})
}

// DeleteAnalysis stops an analysis and forgets it.
func (c *Client) DeleteAnalysis(ctx context.Context, id string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: "/v1/analyses/" + url.PathEscape(id)})
}
