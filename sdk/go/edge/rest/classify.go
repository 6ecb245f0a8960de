package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"reelsense.dev/go/edge"
)

const jsonType = "application/json"

type labelJSON struct {
	Flow        string           `json:"flow"`
	Second      int64            `json:"second"`
	Label       edge.Label       `json:"label"`
	Confidence  float32          `json:"confidence"`
	Probability float32          `json:"probability"`
	Uncertain   bool             `json:"uncertain"`
	Repeated    bool             `json:"repeated"`
	Restarted   bool             `json:"restarted"`
	Error       edge.WindowError `json:"error"`
}

// Classify asks for labels of windows or packets. See edge.Classifier.
func (c *Client) Classify(ctx context.Context, request *edge.Request) (*edge.Response, error) {
	body, err := appendRequest(nil, request)
	if err != nil {
		return nil, &edge.Error{Op: "POST /v1/classify", Kind: edge.ErrInvalid, Detail: err.Error()}
	}
	var answer struct {
		Model  string      `json:"model"`
		Labels []labelJSON `json:"labels"`
	}
	err = c.do(ctx, &call{method: http.MethodPost, path: "/v1/classify", contentType: jsonType, body: body,
		repeatable: request.Repeatable(), answer: &answer})
	if err != nil {
		return nil, err
	}
	response := &edge.Response{Model: answer.Model, Labels: make([]edge.WindowLabel, len(answer.Labels))}
	for i, l := range answer.Labels {
		response.Labels[i] = edge.WindowLabel{
			Flow: l.Flow, Second: l.Second, Label: l.Label, Confidence: l.Confidence, Probability: l.Probability,
			Uncertain: l.Uncertain, Repeated: l.Repeated, Restarted: l.Restarted, Err: l.Error,
		}
	}
	return response, nil
}

// Feedback stores truths. See edge.Classifier.
func (c *Client) Feedback(ctx context.Context, truths []edge.Truth) (edge.FeedbackResult, error) {
	type truthJSON struct {
		Flow   string     `json:"flow"`
		Second int64      `json:"second"`
		Truth  edge.Label `json:"truth"`
	}
	list := make([]truthJSON, len(truths))
	for i, t := range truths {
		list[i] = truthJSON(t)
	}
	body, err := json.Marshal(map[string]any{"truths": list})
	if err != nil {
		return edge.FeedbackResult{}, &edge.Error{Op: "POST /v1/feedback", Kind: edge.ErrInvalid, Detail: err.Error()}
	}
	var answer struct{ Stored, Matched uint64 }
	err = c.do(ctx, &call{method: http.MethodPost, path: "/v1/feedback", contentType: jsonType, body: body,
		repeatable: true, answer: &answer})
	return edge.FeedbackResult{Stored: answer.Stored, Matched: answer.Matched}, err
}

// Observe stores anonymised windows: body is what a reelsense.FeedbackQueue's Peek gives. A batch that the server has is not
// stored again.
func (c *Client) Observe(ctx context.Context, body []byte) (stored int, err error) {
	var answer struct{ Stored int }
	err = c.do(ctx, &call{method: http.MethodPost, path: "/v1/observations", contentType: jsonType, body: body,
		repeatable: true, answer: &answer})
	return answer.Stored, err
}

// FlowState is what the server remembers of a flow.
type FlowState struct {
	Hash        string      `json:"hash"` // keyed hash of its name, as in the log
	Model       string      `json:"model"`
	Windows     uint64      `json:"windows"`
	FirstSecond int64       `json:"first_second"`
	LastSecond  int64       `json:"last_second"`
	IdleSeconds float64     `json:"idle_s"` // since its last window, by the server's clock
	Last        []FlowLabel `json:"last"`   // newest first, at most 8
}

// FlowLabel is one of a flow's last labels.
type FlowLabel struct {
	Second      int64      `json:"second"`
	Label       edge.Label `json:"label"`
	Confidence  float32    `json:"confidence"`
	Probability float32    `json:"probability"`
	Uncertain   bool       `json:"uncertain"`
}

// Flow gives what the server remembers of a flow; ErrNotFound if nothing.
func (c *Client) Flow(ctx context.Context, flow string) (*FlowState, error) {
	state := new(FlowState)
	err := c.do(ctx, &call{method: http.MethodGet, path: "/v1/flows/" + url.PathEscape(flow), repeatable: true, answer: state})
	if err != nil {
		return nil, err
	}
	return state, nil
}

// ForgetFlow makes the server forget a flow; ErrNotFound if it knows none.
func (c *Client) ForgetFlow(ctx context.Context, flow string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: "/v1/flows/" + url.PathEscape(flow)})
}

// Model is a version of a model that the server has.
type Model struct {
	Name        string     `json:"name"`
	Version     string     `json:"version"`
	ID          string     `json:"id"`     // "name@version"
	State       string     `json:"state"`  // "ready", "failed", "vanished", "unloaded"
	Reason      string     `json:"reason"` // why it failed
	Description string     `json:"description"`
	Tier        string     `json:"tier"` // "ue", "server"
	View        string     `json:"view"` // "packet", "socket", "record"
	SchemaHash  string     `json:"schema_hash"`
	Bins        int        `json:"bins"` // byte counts that a window needs
	Threshold   float32    `json:"threshold"`
	Uncertain   [2]float32 `json:"uncertain"`
	Features    []string   `json:"features"` // order of a window's features
}

// Models are those that the server has.
type Models struct {
	Models  []Model           `json:"models"`
	Aliases map[string]string `json:"aliases"`
	Default string            `json:"default"` // what a request without a model gets
}

// Models lists the server's models.
func (c *Client) Models(ctx context.Context) (*Models, error) {
	models := new(Models)
	err := c.do(ctx, &call{method: http.MethodGet, path: "/v1/models", repeatable: true, answer: models})
	if err != nil {
		return nil, err
	}
	return models, nil
}

// Ready asks whether the server takes requests. It does not wait for it.
func (c *Client) Ready(ctx context.Context) error {
	return c.once(ctx, &call{method: http.MethodGet, path: "/v2/health/ready"})
}
