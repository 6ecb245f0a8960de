package reelsense_test

import (
	"fmt"
	"log"
	"time"

	"reelsense.dev/go/internal/repo"
	"reelsense.dev/go/reelsense"
)

// A socket classifier sees what an app reads and writes.
func ExampleClassifier() {
	model, err := reelsense.LoadModelFile(repo.Path("models/reelsense-ue-socket/1.0.0/model.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	var got reelsense.Collector
	classifier, err := reelsense.NewClassifier(model, reelsense.Options{View: reelsense.ViewSocket, Handler: &got})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()

	now := time.Unix(1_700_000_000, 0)
	flow, err := classifier.OpenFlow(now)
	if err != nil {
		log.Fatal(err)
	}
	_ = flow.Wrote(400, now)
	_ = flow.Read(120_000, now.Add(80*time.Millisecond))
	_ = classifier.Advance(now.Add(time.Second))

	for _, w := range got.Windows {
		fmt.Println(w.Second, w.BytesUp, "up", w.BytesDown, "down:", w.Decision.Label)
	}
	// Output: 1700000000 400 up 120000 down: non-video
}

// Options.Policy changes single settings of the QoS policy; PolicySettings lists them.
func ExamplePolicySettings() {
	for _, s := range reelsense.PolicySettings()[:2] {
		fmt.Printf("%s: %v %s, %v to %v\n", s.Name, s.Default, s.Unit, s.Low, s.High)
	}
	_, err := reelsense.NewClassifier(nil, reelsense.Options{Policy: map[string]float64{"video_prefetch_depth": 99}})
	fmt.Println(err != nil)
	// Output:
	// default_prefetch_depth: 2 clips, 0 to 20
	// default_buffer_target_ms: 10000 ms, 500 to 120000
	// true
}

// Extract gives the feature vectors of one flow, for training and analysis.
func ExampleExtract() {
	var series reelsense.Series
	start := time.Unix(1_700_000_000, 0)
	for i := 0; i < 30; i++ {
		series.Append(start.Add(time.Duration(i)*100*time.Millisecond).UnixNano(), 1400, reelsense.Down)
	}
	rows, err := reelsense.Extract(reelsense.ViewPacket, series)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rows.Len(), "seconds,", rows.Width, "features each")
	fmt.Printf("%s: %.3f\n", reelsense.ViewPacket.FeatureNames()[0], rows.Row(0)[0])
	// Output:
	// 3 seconds, 48 features each
	// down_bytes_log2: 13.773
}

// A flow can be looked at before its second is over.
func ExampleFlow_Peek() {
	model, err := reelsense.LoadModelFile(repo.Path("models/reelsense-ue-socket/1.0.0/model.onnx"))
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	classifier, err := reelsense.NewClassifier(model, reelsense.Options{View: reelsense.ViewSocket})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	flow, err := classifier.OpenFlow(time.Unix(1_700_000_000, 0))
	if err != nil {
		log.Fatal(err)
	}
	decision, err := flow.Peek()
	fmt.Println("before the first byte uncertain:", decision.Uncertain, err)
	// Output: before the first byte uncertain: true <nil>
}
