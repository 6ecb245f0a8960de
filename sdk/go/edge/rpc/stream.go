package rpc

import (
	"context"
	"errors"
	"io"
	"math"

	"google.golang.org/grpc/codes"

	"reelsense.dev/go/edge"
	pb "reelsense.dev/go/internal/reelsensev1"
)

// Stream sends requests and receives labels as they come, in the order of the windows inside each flow: what costs least.
// One goroutine may send while another receives. The server stops reading while too many windows are unanswered or
// untaken, and Send then waits: receive while you send. Cancel the context of OpenStream, or receive until io.EOF, to let
// it go.
type Stream struct {
	stream pb.FlowClassifier_ClassifyStreamClient
	cancel context.CancelFunc
	model  string
}

// StreamAnswer is a message of the server: labels, an error of one request, or both.
type StreamAnswer struct {
	Model  string        // "name@version" that answers, also where the message does not repeat it
	Labels []StreamLabel // labels of several requests may share an answer
	Failed *RequestError // one request was wrong; the stream goes on
}

// StreamLabel is a label and the request it belongs to.
type StreamLabel struct {
	edge.WindowLabel
	RequestID uint64
}

// RequestError says what was wrong with a request, none of whose windows was taken.
type RequestError struct {
	RequestID uint64
	Err       *edge.Error
}

// OpenStream opens a stream. The first request names the model; later ones may leave it empty.
func (c *Client) OpenStream(ctx context.Context) (*Stream, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.stub.ClassifyStream(c.withKey(ctx))
	if err != nil {
		cancel()
		return nil, failure("ClassifyStream", err, nil)
	}
	return &Stream{stream: stream, cancel: cancel}, nil
}

// Send sends a request; its labels carry id. It returns when the request is on its way. io.EOF: the stream ended, and Recv
// says why.
func (s *Stream) Send(request *edge.Request, id uint64) error {
	message, err := toProto(request, id)
	if err != nil {
		return &edge.Error{Op: "ClassifyStream", Kind: edge.ErrInvalid, Detail: err.Error()}
	}
	err = s.stream.Send(message)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return failure("ClassifyStream", err, s.stream.Trailer())
}

// CloseSend says that no request follows. What was sent is answered, then Recv gives io.EOF.
func (s *Stream) CloseSend() error { return s.stream.CloseSend() }

// Recv waits for the next answer; io.EOF after the last.
func (s *Stream) Recv() (*StreamAnswer, error) {
	message, err := s.stream.Recv()
	if err != nil {
		s.cancel()
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, failure("ClassifyStream", err, s.stream.Trailer())
	}
	if message.Model != "" {
		s.model = message.Model
	}
	answer := &StreamAnswer{Model: s.model, Labels: make([]StreamLabel, len(message.Labels))}
	for i, l := range message.Labels {
		answer.Labels[i] = StreamLabel{fromProto(l), l.RequestId}
	}
	if message.Error != "" {
		kind := kinds[codes.Internal]
		if code := message.ErrorCode; code > 0 && int64(code) <= math.MaxUint32 {
			kind = kinds[codes.Code(code)]
		}
		answer.Failed = &RequestError{message.FailedRequestId, &edge.Error{Op: "ClassifyStream", Kind: kind,
			Detail: message.Error, NotTaken: true}}
	}
	return answer, nil
}

// Close ends the stream at once; unanswered windows get no label.
func (s *Stream) Close() { s.cancel() }

// WatchOptions choose labels.
type WatchOptions struct {
	Model         string     // empty: all
	Only          edge.Label // edge.Unlabelled: both
	MaxConfidence float32    // 0: all
}

// Watcher receives the labels that the server gives to anyone this client may see.
type Watcher struct {
	stream pb.FlowClassifier_WatchClient
	cancel context.CancelFunc
}

// WatchedLabel is a label of somebody's window.
type WatchedLabel struct {
	FlowHash   uint64 // keyed hash of the flow's name
	Second     int64
	Label      edge.Label
	Confidence float32
	Uncertain  bool
	Model      string
}

// Watch follows labels until the context ends or Close. When it returns, nothing that comes is missed, but what a slow
// receiver leaves.
func (c *Client) Watch(ctx context.Context, options WatchOptions) (*Watcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream, err := c.stub.Watch(c.withKey(ctx), &pb.WatchRequest{Model: options.Model, Only: pb.Label(options.Only),
		MaxConfidence: options.MaxConfidence})
	if err == nil {
		_, err = stream.Header()
	}
	if err != nil {
		cancel()
		return nil, failure("Watch", err, nil)
	}
	return &Watcher{stream, cancel}, nil
}

// Recv waits for labels. missed: how many were left out since the last answer, because this client was too slow.
func (w *Watcher) Recv() (labels []WatchedLabel, missed uint64, err error) {
	message, err := w.stream.Recv()
	if err != nil {
		w.cancel()
		if errors.Is(err, io.EOF) {
			return nil, 0, io.EOF
		}
		return nil, 0, failure("Watch", err, w.stream.Trailer())
	}
	labels = make([]WatchedLabel, len(message.Labels))
	for i, l := range message.Labels {
		labels[i] = WatchedLabel{FlowHash: l.FlowHash, Second: l.Second, Label: label(l.Label), Confidence: l.Confidence,
			Uncertain: l.Uncertain, Model: l.Model}
	}
	return labels, message.Missed, nil
}

// Close ends it.
func (w *Watcher) Close() { w.cancel() }
