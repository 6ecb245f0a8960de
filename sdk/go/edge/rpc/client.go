// Package rpc is a client of the edge server's gRPC interface, in pure Go: unary calls, the stream of labels that
// collectors use, and Watch.
package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"reelsense.dev/go/edge"
	pb "reelsense.dev/go/internal/reelsensev1"
)

// Options of a client. The zero value: no key, no TLS, the default retries.
type Options struct {
	APIKey    string      // sent as a bearer token with every call
	TLS       *tls.Config // nil: no TLS; &tls.Config{}: Go's own certificates
	Retry     edge.Retry  // of unary calls; a stream's owner decides itself
	UserAgent string      // empty: "reelsense-go"
	Dial      []grpc.DialOption

	// SendKeyInTheClear allows an API key without TLS to another machine.
	SendKeyInTheClear bool
}

// Client is safe for concurrent use; make one and keep it. Every call takes a context: its deadline goes to the server.
type Client struct {
	connection *grpc.ClientConn
	stub       pb.FlowClassifierClient
	retry      edge.Retry
	key        string
}

var _ edge.Classifier = (*Client)(nil)

const maxMessage = 64 << 20

// New makes a client of the server at target, "edge.example:8081". It connects with the first call. Close it.
func New(target string, options Options) (*Client, error) {
	if target == "" {
		return nil, errors.New("rpc: the server's address is empty, one like edge.example:8081 is expected")
	}
	if options.APIKey != "" && options.TLS == nil && !options.SendKeyInTheClear && !edge.KeyMayGo(hostOf(target)) {
		return nil, fmt.Errorf("rpc: the API key would go to %s unencrypted; set TLS", target)
	}
	if strings.ContainsAny(options.APIKey, "\r\n\x00") {
		return nil, errors.New("rpc: the API key holds a line break; was it read from a file with its last line's end?")
	}
	security := insecure.NewCredentials()
	if options.TLS != nil {
		security = credentials.NewTLS(options.TLS)
	}
	if options.UserAgent == "" {
		options.UserAgent = "reelsense-go"
	}
	dial := append([]grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithUserAgent(options.UserAgent),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithDisableRetry(), // Retry does it, and knows what may be repeated
	}, options.Dial...)
	connection, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, fmt.Errorf("rpc: %w", err)
	}
	return &Client{connection: connection, stub: pb.NewFlowClassifierClient(connection), retry: options.Retry,
		key: options.APIKey}, nil
}

// hostOf takes a target like dns:///edge.example:8081 apart.
func hostOf(target string) string {
	if i := strings.LastIndex(target, "/"); i >= 0 {
		target = target[i+1:]
	}
	return target
}

// Close ends the connection and what runs on it.
func (c *Client) Close() error { return c.connection.Close() }

func (c *Client) withKey(ctx context.Context) context.Context {
	if c.key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.key)
}

// Classify asks for labels of windows or packets. See edge.Classifier.
func (c *Client) Classify(ctx context.Context, request *edge.Request) (*edge.Response, error) {
	message, err := toProto(request, 0)
	if err != nil {
		return nil, &edge.Error{Op: "Classify", Kind: edge.ErrInvalid, Detail: err.Error()}
	}
	var response *edge.Response
	err = c.retry.Do(c.withKey(ctx), request.Repeatable(), func(ctx context.Context) error {
		var trailer metadata.MD
		answer, err := c.stub.Classify(ctx, message, grpc.Trailer(&trailer))
		if err != nil {
			return failure("Classify", err, trailer)
		}
		response = &edge.Response{Model: answer.Model, Labels: make([]edge.WindowLabel, len(answer.Labels))}
		for i, l := range answer.Labels {
			response.Labels[i] = fromProto(l)
		}
		return nil
	})
	return response, err
}

// Feedback stores truths. See edge.Classifier.
func (c *Client) Feedback(ctx context.Context, truths []edge.Truth) (edge.FeedbackResult, error) {
	message := &pb.FeedbackRequest{Truths: make([]*pb.Truth, len(truths))}
	for i, t := range truths {
		message.Truths[i] = &pb.Truth{Flow: []byte(t.Flow), Second: t.Second, Truth: pb.Label(t.Truth)}
	}
	var result edge.FeedbackResult
	err := c.retry.Do(c.withKey(ctx), true, func(ctx context.Context) error {
		var trailer metadata.MD
		answer, err := c.stub.Feedback(ctx, message, grpc.Trailer(&trailer))
		if err != nil {
			return failure("Feedback", err, trailer)
		}
		result = edge.FeedbackResult{Stored: answer.Stored, Matched: answer.Matched}
		return nil
	})
	return result, err
}

// Ready asks whether the server takes requests. It does not wait for it.
func (c *Client) Ready(ctx context.Context) error {
	answer, err := grpc_health_v1.NewHealthClient(c.connection).Check(c.withKey(ctx), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return failure("Check", err, nil)
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return &edge.Error{Op: "Check", Kind: edge.ErrUnavailable, Detail: "the server says " + answer.Status.String()}
	}
	return nil
}
