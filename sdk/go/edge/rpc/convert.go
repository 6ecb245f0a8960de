package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"reelsense.dev/go/edge"
	pb "reelsense.dev/go/internal/reelsensev1"
)

func toProto(r *edge.Request, id uint64) (*pb.ClassifyRequest, error) {
	if strings.ToValidUTF8(r.Model, "") != r.Model {
		return nil, fmt.Errorf("model: %q is not UTF-8", r.Model)
	}
	message := &pb.ClassifyRequest{Model: r.Model, RequestId: id, Windows: make([]*pb.Window, len(r.Windows)),
		Flows: make([]*pb.FlowPackets, len(r.Flows))}
	for i := range r.Windows {
		w := &r.Windows[i]
		message.Windows[i] = &pb.Window{Flow: []byte(w.Flow), Second: w.Second, Features: w.Features, Bins: w.Bins, End: w.End}
	}
	for i := range r.Flows {
		f := &r.Flows[i]
		packets := make([]pb.Packet, len(f.Packets)) // one allocation, not one a packet
		pointers := make([]*pb.Packet, len(f.Packets))
		for j, p := range f.Packets {
			packets[j].TimeNs, packets[j].Size = p.TimeNS, p.Bytes
			packets[j].Direction = pb.Direction_DIRECTION_DOWN
			if p.Direction == edge.Up {
				packets[j].Direction = pb.Direction_DIRECTION_UP
			}
			pointers[j] = &packets[j]
		}
		message.Flows[i] = &pb.FlowPackets{Flow: []byte(f.Flow), Packets: pointers, UntilNs: f.UntilNS, End: f.End}
	}
	return message, nil
}

var windowErrors = map[pb.WindowError]edge.WindowError{
	pb.WindowError_WINDOW_ERROR_OUT_OF_ORDER: "out_of_order",
	pb.WindowError_WINDOW_ERROR_INVALID:      "invalid",
	pb.WindowError_WINDOW_ERROR_DEADLINE:     "deadline",
	pb.WindowError_WINDOW_ERROR_CANCELLED:    "cancelled",
	pb.WindowError_WINDOW_ERROR_INTERNAL:     "internal",
}

func fromProto(l *pb.WindowLabel) edge.WindowLabel {
	out := edge.WindowLabel{Flow: string(l.Flow), Second: l.Second, Label: label(l.Label), Confidence: l.Confidence,
		Probability: l.Probability, Uncertain: l.Uncertain, Repeated: l.RepeatedWindow}
	if l.Error != pb.WindowError_WINDOW_ERROR_NONE {
		out.Err = "internal" // of a server that knows more errors than we
		if known, ok := windowErrors[l.Error]; ok {
			out.Err = known
		}
	}
	return out
}

func label(l pb.Label) edge.Label {
	switch l {
	case pb.Label_LABEL_VIDEO:
		return edge.Video
	case pb.Label_LABEL_NON_VIDEO:
		return edge.NonVideo
	}
	return edge.Unlabelled
}

var kinds = map[codes.Code]edge.Kind{
	codes.InvalidArgument: edge.ErrInvalid, codes.OutOfRange: edge.ErrInvalid, codes.FailedPrecondition: edge.ErrInvalid,
	codes.Unauthenticated: edge.ErrUnauthenticated, codes.PermissionDenied: edge.ErrForbidden,
	codes.NotFound: edge.ErrNotFound, codes.Aborted: edge.ErrConflict, codes.AlreadyExists: edge.ErrConflict,
	codes.Unimplemented: edge.ErrUnsupported, codes.ResourceExhausted: edge.ErrLimited,
	codes.Unavailable: edge.ErrUnavailable, codes.DeadlineExceeded: edge.ErrDeadline, codes.Canceled: edge.ErrCancelled,
}

// failure turns a call's error into ours.
func failure(op string, err error, trailer metadata.MD) error {
	s, _ := status.FromError(err)
	e := &edge.Error{Op: op, Kind: kinds[s.Code()], Detail: s.Message(), Cause: err}
	for _, ms := range trailer.Get("retry-after-ms") {
		if n, err := strconv.ParseUint(ms, 10, 31); err == nil {
			e.RetryAfter = time.Duration(n) * time.Millisecond
		}
	}
	switch {
	case errors.Is(err, context.Canceled) || s.Code() == codes.Canceled:
		e.Cause = context.Canceled
	case errors.Is(err, context.DeadlineExceeded) || s.Code() == codes.DeadlineExceeded:
		e.Cause = context.DeadlineExceeded
	}
	// A message that is too large is RESOURCE_EXHAUSTED too, and stays so: only what says when to come back may be
	// sent again.
	e.NotTaken = s.Code() == codes.ResourceExhausted && e.RetryAfter > 0
	return e
}
