// Package testdata gives tests the repository's captures and models.
package testdata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"reelsense.dev/go/internal/pcap"
	"reelsense.dev/go/reelsense"
)

// Root is the repository's.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../..")
}

// Path of a file below the root.
func Path(file string) string { return filepath.Join(Root(), file) }

// The models that the tests use.
const (
	PacketModel = "models/reelsense-ue/1.0.0/model.onnx"
	SocketModel = "models/reelsense-ue-socket/1.0.0/model.onnx"
	Reels       = "tests/captures/reels-h3.pcap"
	Feed        = "tests/captures/feed-h2.pcap"
)

// Model loads one, and closes it when the test ends.
func Model(t testing.TB, file string) *reelsense.Model {
	t.Helper()
	model, err := reelsense.LoadModelFile(Path(file))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	return model
}

// Capture reads a classic pcap.
func Capture(t testing.TB, file string) (reelsense.LinkType, []reelsense.Frame) {
	t.Helper()
	bytes, err := os.ReadFile(Path(file))
	if err != nil {
		t.Fatal(err)
	}
	link, frames, err := pcap.Read(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return link, frames
}
