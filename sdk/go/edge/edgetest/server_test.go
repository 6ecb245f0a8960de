// Package edgetest holds both clients to a real reelsense-server. Without one the tests are skipped, and say so.
package edgetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"reelsense.dev/go/edge"
	"reelsense.dev/go/edge/rest"
	"reelsense.dev/go/edge/rpc"
	"reelsense.dev/go/internal/repo"
	"reelsense.dev/go/internal/servertest"
)

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func clients(t *testing.T, server *servertest.Server) (*rest.Client, *rpc.Client) {
	t.Helper()
	r, err := rest.New(server.REST, rest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := rpc.New(server.GRPC, rpc.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), g.Close() })
	return r, g
}

const start = 1_700_000_000

// One server for all that leave it as it is: starting one takes seconds.
func TestServer(t *testing.T) {
	server := servertest.Start(t, "--analyses.folder", t.TempDir())
	for name, test := range map[string]func(*testing.T, *servertest.Server){
		"BothClients_SameLabels":                        bothClientsSameLabels,
		"Windows_TruthAndFlow":                          windowsTruthAndFlow,
		"WrongRequests_AreTyped":                        wrongRequestsAreTyped,
		"Stream_AnswersInOrderAndSurvivesAWrongRequest": streamAnswersInOrderAndSurvivesAWrongRequest,
		"Watch_SeesLabels":                              watchSeesLabels,
		"Analysis_LabelsACapture":                       analysisLabelsACapture,
	} {
		test := test
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

// burst is two seconds of a download.
func burst(flow string) edge.FlowPackets {
	f := edge.FlowPackets{Flow: flow, End: true}
	for i := 0; i < 200; i++ {
		f.Packets = append(f.Packets, edge.Packet{TimeNS: start*1_000_000_000 + int64(i)*10_000_000, Bytes: 1400,
			Direction: edge.Down})
	}
	return f
}

func bothClientsSameLabels(t *testing.T, server *servertest.Server) {
	r, g := clients(t, server)
	ctx := limit(t)
	if err := r.Ready(ctx); err != nil {
		t.Error(err)
	}
	if err := g.Ready(ctx); err != nil {
		t.Error(err)
	}
	answers := map[string]*edge.Response{}
	for name, c := range map[string]edge.Classifier{"rest": r, "grpc": g} {
		answer, err := c.Classify(ctx, &edge.Request{Model: "reelsense-ue", Flows: []edge.FlowPackets{burst("both")}})
		if err != nil || len(answer.Labels) != 2 {
			t.Fatalf("%s: %+v, %v", name, answer, err)
		}
		answers[name] = answer
	}
	for i, a := range answers["rest"].Labels {
		b := answers["grpc"].Labels[i]
		if a.Flow != b.Flow || a.Second != b.Second || a.Label != b.Label || a.Uncertain != b.Uncertain || a.Label == edge.Unlabelled {
			t.Errorf("label %d: %+v, %+v", i, a, b)
		}
	}
	models, err := r.Models(ctx)
	if err != nil || models.Default == "" {
		t.Fatal(models, err)
	}
	found := false
	for _, m := range models.Models {
		found = found || (m.ID == "reelsense-ue@1.0.0" && m.State == "ready" && m.View == "packet" && len(m.Features) == 48)
	}
	if !found {
		t.Errorf("%+v", models)
	}
}

func windowsTruthAndFlow(t *testing.T, server *servertest.Server) {
	r, g := clients(t, server)
	ctx := limit(t)
	request := &edge.Request{Model: "reelsense-ue", Windows: []edge.Window{
		{Flow: "w/1 ü", Second: start, Features: make([]float32, 48)}, {Flow: "w/1 ü", Second: start + 2, Features: make([]float32, 48)},
	}}
	first, err := r.Classify(ctx, request)
	if err != nil || len(first.Labels) != 2 || first.Labels[0].Repeated {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := r.Classify(ctx, request) // as after a lost connection
	if err != nil || !again.Labels[0].Repeated || again.Labels[0].Probability != first.Labels[0].Probability {
		t.Errorf("%+v, %v", again, err)
	}
	truths := []edge.Truth{{Flow: "w/1 ü", Second: start, Truth: edge.Video}, {Flow: "never seen", Second: 1, Truth: edge.NonVideo}}
	for name, c := range map[string]edge.Classifier{"rest": r, "grpc": g} {
		stored, err := c.Feedback(ctx, truths)
		if err != nil || stored.Stored != 2 || stored.Matched != 1 {
			t.Errorf("%s: %+v, %v", name, stored, err)
		}
	}
	state, err := r.Flow(ctx, "w/1 ü")
	if err != nil || state.LastSecond != start+2 || len(state.Last) != 2 {
		t.Errorf("%+v, %v", state, err)
	}
	if err := r.ForgetFlow(ctx, "w/1 ü"); err != nil {
		t.Error(err)
	}
	if _, err := r.Flow(ctx, "w/1 ü"); !errors.Is(err, edge.ErrNotFound) {
		t.Error(err)
	}
}

func wrongRequestsAreTyped(t *testing.T, server *servertest.Server) {
	r, g := clients(t, server)
	ctx := limit(t)
	for name, c := range map[string]edge.Classifier{"rest": r, "grpc": g} {
		_, err := c.Classify(ctx, &edge.Request{Model: "reelsense-ue", Windows: []edge.Window{{Flow: "a", Second: 1, Features: make([]float32, 3)}}})
		if !errors.Is(err, edge.ErrInvalid) || !strings.Contains(err.Error(), "48") {
			t.Errorf("%s, three features: %v", name, err)
		}
		_, err = c.Classify(ctx, &edge.Request{Model: "no-such-model", Flows: []edge.FlowPackets{burst("x")}})
		if !errors.Is(err, edge.ErrNotFound) {
			t.Errorf("%s, unknown model: %v", name, err)
		}
	}
	_, err := r.Observe(ctx, []byte(`{"batch": 1}`))
	if !errors.Is(err, edge.ErrInvalid) && !errors.Is(err, edge.ErrNotFound) { // a server of an earlier version has no such path
		t.Error(err)
	}
}

func streamAnswersInOrderAndSurvivesAWrongRequest(t *testing.T, server *servertest.Server) {
	_, g := clients(t, server)
	stream, err := g.OpenStream(limit(t))
	if err != nil {
		t.Fatal(err)
	}
	const requests, wrong = 300, 100
	sent := make(chan error, 1)
	go func() {
		for i := 0; i < requests; i++ {
			width := 48
			if i == wrong {
				width = 5
			}
			err := stream.Send(&edge.Request{Model: "reelsense-ue", Windows: []edge.Window{
				{Flow: "even", Second: start + int64(i), Features: make([]float32, width)},
				{Flow: "odd", Second: start + int64(i), Features: make([]float32, width)}}}, uint64(i+1))
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	last := map[string]int64{}
	labels, failed := 0, uint64(0)
	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if answer.Failed != nil {
			failed = answer.Failed.RequestID
			if !errors.Is(answer.Failed.Err, edge.ErrInvalid) {
				t.Error(answer.Failed.Err)
			}
		}
		for _, l := range answer.Labels {
			labels++
			if l.Second <= last[l.Flow] || l.RequestID != uint64(l.Second-start)+1 || answer.Model != "reelsense-ue@1.0.0" {
				t.Errorf("%+v after second %d by %s", l, last[l.Flow], answer.Model)
			}
			last[l.Flow] = l.Second
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if labels != 2*(requests-1) || failed != wrong+1 {
		t.Errorf("%d labels, request %d failed", labels, failed)
	}
}

func TestServer_StreamCancelled_Ends(t *testing.T) {
	server := servertest.Start(t)
	_, g := clients(t, server)
	ctx, cancel := context.WithCancel(limit(t))
	stream, err := g.OpenStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := stream.Recv(); !errors.Is(err, edge.ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	server.Stop()
	stream, err = g.OpenStream(limit(t))
	if err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, edge.ErrUnavailable) {
		t.Errorf("a stream to a server that is gone: %v", err)
	}
}

func watchSeesLabels(t *testing.T, server *servertest.Server) {
	_, g := clients(t, server)
	ctx := limit(t)
	watcher, err := g.Watch(ctx, rpc.WatchOptions{Model: "reelsense-ue"})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close()
	answer, err := g.Classify(ctx, &edge.Request{Model: "reelsense-ue", Flows: []edge.FlowPackets{burst("watched")}})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for seen < len(answer.Labels) {
		labels, missed, err := watcher.Recv()
		if err != nil || missed != 0 {
			t.Fatal(missed, err)
		}
		for _, l := range labels {
			if l.Label != answer.Labels[seen].Label || l.Second != answer.Labels[seen].Second || l.FlowHash == 0 {
				t.Errorf("%+v, %+v", l, answer.Labels[seen])
			}
			seen++
		}
	}
}

func TestServer_RateLimit_IsWaitedOut(t *testing.T) {
	server := servertest.Start(t, "--limits.requests-per-s", "5")
	r, g := clients(t, server)
	for name, c := range map[string]edge.Classifier{"rest": r, "grpc": g} {
		begin := time.Now()
		for i := 0; i < 15; i++ {
			request := &edge.Request{Model: "reelsense-ue", Flows: []edge.FlowPackets{burst(fmt.Sprint(name, i))}}
			if _, err := c.Classify(limit(t), request); err != nil {
				t.Fatalf("%s, request %d: %v", name, i, err)
			}
		}
		if took := time.Since(begin); took < time.Second {
			t.Errorf("%s: 15 requests in %v over a limit of 5 a second: none was refused", name, took)
		}
	}
	// Without repeats the limit shows.
	impatient, err := rest.New(server.REST, rest.Options{Retry: edge.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		_, err := impatient.Models(limit(t))
		if err == nil && i < 100 {
			continue
		}
		var failed *edge.Error
		if !errors.Is(err, edge.ErrLimited) || !errors.As(err, &failed) || failed.RetryAfter <= 0 {
			t.Errorf("request %d: %v", i, err)
		}
		return
	}
}

func analysisLabelsACapture(t *testing.T, server *servertest.Server) {
	r, _ := clients(t, server)
	ctx := limit(t)
	capture, err := os.Open(repo.Path(repo.Feed))
	if err != nil {
		t.Fatal(err)
	}
	defer capture.Close()
	id, err := r.SubmitAnalysis(ctx, capture, "reelsense-ue", "feed & more")
	if err != nil {
		t.Fatal(err)
	}
	analysis, err := r.WaitForAnalysis(ctx, id)
	if err != nil || analysis.State != "done" || analysis.Name != "feed & more" || analysis.Summary.Windows == 0 {
		t.Fatalf("%+v, %v", analysis, err)
	}
	var csv bytes.Buffer
	if err := r.AnalysisLabels(ctx, id, &csv); err != nil || !strings.HasPrefix(csv.String(), "flow,") ||
		uint64(strings.Count(csv.String(), "\n")) != analysis.Summary.Windows+1 {
		t.Errorf("%v, %.80q", err, csv.String())
	}
	if err := r.DeleteAnalysis(ctx, id); err != nil {
		t.Error(err)
	}
	if _, err := r.Analysis(ctx, id); !errors.Is(err, edge.ErrNotFound) {
		t.Error(err)
	}
}
