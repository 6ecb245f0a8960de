package rpc

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"reelsense.dev/go/edge"
	pb "reelsense.dev/go/internal/reelsensev1"
)

// fake answers as a test wants.
type fake struct {
	pb.UnimplementedFlowClassifierServer
	classify func(ctx context.Context, r *pb.ClassifyRequest) (*pb.ClassifyResponse, error)
}

func (f *fake) Classify(ctx context.Context, r *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
	return f.classify(ctx, r)
}

func client(t *testing.T, f *fake, options Options) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterFlowClassifierServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	if options.Retry.Base == 0 {
		options.Retry = edge.Retry{Base: time.Millisecond, Max: time.Second}
	}
	c, err := New(listener.Addr().String(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var windowRequest = &edge.Request{Windows: []edge.Window{{Flow: "a", Second: 1, Features: []float32{1}}}}
var packetRequest = &edge.Request{Flows: []edge.FlowPackets{{Flow: "a", Packets: []edge.Packet{{TimeNS: 1}}}}}

func TestClassify_ResourceExhausted_ComesBackWhenTold(t *testing.T) {
	var calls atomic.Int32
	var first, second time.Time
	c := client(t, &fake{classify: func(ctx context.Context, r *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
		if calls.Add(1) == 1 {
			first = time.Now()
			_ = grpc.SetTrailer(ctx, metadata.Pairs("retry-after-ms", "150"))
			return nil, status.Error(codes.ResourceExhausted, "the queue is full")
		}
		second = time.Now()
		return &pb.ClassifyResponse{Model: "m@1", Labels: []*pb.WindowLabel{{Flow: []byte("\xff"), Second: 1,
			Label: pb.Label_LABEL_VIDEO, Confidence: 0.9, Probability: 0.9, RepeatedWindow: true},
			{Error: pb.WindowError_WINDOW_ERROR_OUT_OF_ORDER}, {Error: 77}}}, nil
	}}, Options{})
	response, err := c.Classify(context.Background(), packetRequest)
	if err != nil || calls.Load() != 2 {
		t.Fatal(calls.Load(), err)
	}
	if second.Sub(first) < 150*time.Millisecond {
		t.Errorf("came back after %v, 150 ms was asked for", second.Sub(first))
	}
	want := edge.WindowLabel{Flow: "\xff", Second: 1, Label: edge.Video, Confidence: 0.9, Probability: 0.9, Repeated: true}
	if response.Labels[0] != want || response.Labels[1].Err != "out_of_order" || response.Labels[2].Err != "internal" {
		t.Errorf("%+v", response)
	}
}

func TestClassify_Errors_AreTypedAndRepeatedWhereSafe(t *testing.T) {
	for name, c := range map[string]struct {
		code    codes.Code
		request *edge.Request
		kind    edge.Kind
		calls   int32
	}{
		"windows, unavailable":   {codes.Unavailable, windowRequest, edge.ErrUnavailable, 4},
		"packets, unavailable":   {codes.Unavailable, packetRequest, edge.ErrUnavailable, 1},
		"invalid":                {codes.InvalidArgument, windowRequest, edge.ErrInvalid, 1},
		"unknown model":          {codes.NotFound, windowRequest, edge.ErrNotFound, 1},
		"a message too large":    {codes.ResourceExhausted, windowRequest, edge.ErrLimited, 1},
		"no key":                 {codes.Unauthenticated, windowRequest, edge.ErrUnauthenticated, 1},
		"a fault of the server":  {codes.Internal, windowRequest, edge.ErrInternal, 1},
		"a code that nobody has": {99, windowRequest, edge.ErrInternal, 1},
	} {
		var calls atomic.Int32
		rpc := client(t, &fake{classify: func(context.Context, *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
			calls.Add(1)
			return nil, status.Error(c.code, "windows[0]: said why")
		}}, Options{})
		_, err := rpc.Classify(context.Background(), c.request)
		var failed *edge.Error
		if !errors.Is(err, c.kind) || !errors.As(err, &failed) || failed.Detail != "windows[0]: said why" || calls.Load() != c.calls {
			t.Errorf("%s: %d calls, %v", name, calls.Load(), err)
		}
	}
}

func TestClassify_Context_EndsTheCall(t *testing.T) {
	arrived := make(chan bool, 2)
	c := client(t, &fake{classify: func(ctx context.Context, _ *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
		arrived <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}}, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-arrived; cancel() }()
	_, err := c.Classify(ctx, windowRequest)
	if !errors.Is(err, edge.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Classify(ctx, windowRequest)
	if !errors.Is(err, edge.ErrDeadline) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestClassify_Key_IsSent(t *testing.T) {
	c := client(t, &fake{classify: func(ctx context.Context, _ *pb.ClassifyRequest) (*pb.ClassifyResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer rs_key" {
			return nil, status.Errorf(codes.Unauthenticated, "got %q", got)
		}
		return &pb.ClassifyResponse{}, nil
	}}, Options{APIKey: "rs_key"})
	if _, err := c.Classify(context.Background(), windowRequest); err != nil {
		t.Error(err)
	}
}

func TestNew_WrongOptions_AreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		key    string
	}{"no target": {"", ""}, "key in the clear": {"dns:///edge.example:8081", "k"}, "a newline": {"localhost:1", "k\n"}} {
		if _, err := New(c.target, Options{APIKey: c.key}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestClassify_NobodyListens_IsUnavailable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	c, err := New(address, Options{Retry: edge.Retry{Attempts: 2, Base: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Classify(context.Background(), windowRequest); !errors.Is(err, edge.ErrUnavailable) {
		t.Error(err)
	}
}
