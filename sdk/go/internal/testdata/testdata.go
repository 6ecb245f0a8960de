// Package testdata gives tests the repository's captures and models.
package testdata

import (
	"os"
	"testing"

	"reelsense.dev/go/internal/repo"
	"reelsense.dev/go/pcap"
	"reelsense.dev/go/reelsense"
)

// Path of a file below the repository's root.
func Path(file string) string { return repo.Path(file) }

// The models that the tests use.
const (
	PacketModel = "models/reelsense-ue/1.0.0/model.onnx"
	SocketModel = "models/reelsense-ue-socket/1.0.0/model.onnx"
	Reels       = repo.Reels
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
