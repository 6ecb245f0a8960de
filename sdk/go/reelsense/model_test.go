package reelsense_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

func TestLoadModel_DamagedBytes_AreRefused(t *testing.T) {
	whole, err := os.ReadFile(testdata.Path(testdata.PacketModel))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"none": nil, "one byte": {1}, "text": []byte("<html>not found</html>"), "cut": whole[:len(whole)/2],
		"zeros": make([]byte, 4096),
	} {
		model, err := reelsense.LoadModel(bad)
		var failed *reelsense.Error
		if model != nil || !errors.As(err, &failed) {
			t.Fatalf("%s: %v, %v", name, model, err)
		}
		if failed.Status != reelsense.ErrCorrupt && failed.Status != reelsense.ErrUnsupported {
			t.Errorf("%s: %v", name, err)
		}
		if failed.Detail == "" {
			t.Errorf("%s: the error does not say what is wrong: %v", name, err)
		}
	}
	if _, err := reelsense.LoadModel(make([]byte, 17<<20)); !errors.Is(err, reelsense.ErrLimit) {
		t.Errorf("17 MiB: %v, ErrLimit expected", err)
	}
	// The record view is not the device tier's.
	record, err := os.ReadFile(testdata.Path("models/reelsense-ue-record/1.0.0/model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if model, err := reelsense.LoadModel(record); err == nil {
		if _, err = reelsense.NewClassifier(model, reelsense.Options{}); !errors.Is(err, reelsense.ErrMismatch) {
			t.Errorf("a record model in a packet classifier: %v", err)
		}
	}
}

func TestLoadModelFile_NoFile_NamesIt(t *testing.T) {
	_, err := reelsense.LoadModelFile("no/such/model.onnx")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no/such/model.onnx") {
		t.Error(err)
	}
}

func TestModel_Info(t *testing.T) {
	info := testdata.Model(t, testdata.SocketModel).Info()
	if info.Name != "reelsense-ue-socket" || info.Version != "1.0.0" || info.View != reelsense.ViewSocket ||
		info.Inputs != 26 || info.Threshold != 0.5 || info.UncertainLow >= info.UncertainHigh || info.Kernel == "" {
		t.Errorf("%+v", info)
	}
}

func TestModel_Classify_WrongLengths_AreRefused(t *testing.T) {
	model := testdata.Model(t, testdata.PacketModel)
	err := model.Classify(make([]reelsense.Decision, 2), make([]float32, 48))
	if !errors.Is(err, reelsense.ErrInvalidArgument) || !strings.Contains(err.Error(), "96") {
		t.Error(err)
	}
	if err := model.Classify(nil, nil); err != nil {
		t.Error(err)
	}
}

func TestModel_Classify_ManyGoroutines_SameBits(t *testing.T) {
	model := testdata.Model(t, testdata.PacketModel)
	const n = 500
	rows := make([]float32, n*48)
	for i := range rows {
		rows[i] = float32(math.Mod(float64(i)*7.31, 25))
	}
	rows[7] = float32(math.NaN())
	want := make([]reelsense.Decision, n)
	if err := model.Classify(want, rows); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			got := make([]reelsense.Decision, n)
			if err := model.Classify(got, rows); err != nil {
				t.Error(err)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Errorf("row %d: %+v, before %+v", i, got[i], want[i])
					return
				}
			}
		}()
	}
	group.Wait()
}

func TestModel_ClosedWhileUsed_LivesInItsClassifiers(t *testing.T) {
	model, err := reelsense.LoadModelFile(testdata.Path(testdata.PacketModel))
	if err != nil {
		t.Fatal(err)
	}
	var got reelsense.Collector
	classifier, err := reelsense.NewClassifier(model, reelsense.Options{Handler: &got})
	if err != nil {
		t.Fatal(err)
	}
	defer classifier.Close()
	_ = model.Close()
	_ = model.Close()
	link, frames := testdata.Capture(t, testdata.Reels)
	if err := classifier.AddFrames(link, frames); err != nil {
		t.Fatal(err)
	}
	video := 0
	for i := range got.Windows {
		if got.Windows[i].Decision.Label == reelsense.Video {
			video++
		}
	}
	if video == 0 {
		t.Error("no video in a capture of reels")
	}
}

func TestView_Features(t *testing.T) {
	names := reelsense.ViewSocket.FeatureNames()
	if len(names) != 28 || names[0] != "down_bytes_log2" || reelsense.ViewPacket.FeatureCount() != 48 {
		t.Errorf("%d features: %v", len(names), names)
	}
	hash, err := reelsense.ViewPacket.SchemaHash()
	if err != nil || len(hash) != 64 {
		t.Errorf("%q, %v", hash, err)
	}
	manifest, err := os.ReadFile(testdata.Path("models/reelsense-ue/1.0.0/manifest.json"))
	if err != nil || !bytes.Contains(manifest, []byte(hash)) {
		t.Errorf("the model's manifest does not hold %s (%v)", hash, err)
	}
	if _, err := reelsense.View(9).SchemaHash(); !errors.Is(err, reelsense.ErrInvalidArgument) {
		t.Error(err)
	}
	if reelsense.View(9).FeatureCount() != 0 {
		t.Error("there is no view 9")
	}
}
