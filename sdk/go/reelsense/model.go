package reelsense

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"reelsense.dev/go/internal/capi"
)

// Version of the library, "0.4.0".
func Version() string { return capi.Version() }

// Model is a model of the device tier. It is immutable: any number of goroutines may use it at once.
type Model struct {
	raw  capi.Model
	info ModelInfo
	once sync.Once
}

// ModelInfo describes a Model.
type ModelInfo struct {
	Name, Version string // "reelsense-ue", "1.0.0"
	View          View
	Inputs        int     // features it uses
	Threshold     float32 // video if probability >= Threshold
	UncertainLow  float32 // uncertain if UncertainLow < probability < UncertainHigh
	UncertainHigh float32
	Kernel        string // "avx2", "neon", "portable", …: what scores it on this machine
}

// LoadModel reads a bundle's model.onnx; the bytes may be changed afterwards. Errors: ErrCorrupt, ErrUnsupported,
// ErrLimit (over 16 MiB), ErrMismatch (trained on another feature table). Close gives the memory back.
func LoadModel(onnx []byte) (*Model, error) {
	const op = "load model"
	if got := capi.LibraryABI(); got != capi.ABIVersion {
		return nil, &Error{op, ErrMismatch, fmt.Sprintf("the library has ABI version %d, this package expects %d", got,
			capi.ABIVersion)}
	}
	if len(onnx) == 0 {
		return nil, &Error{op, ErrCorrupt, "there are no bytes; those of a bundle's model.onnx are expected"}
	}
	raw, status, text := capi.LoadModel(onnx)
	if err := failure(op, status, text); err != nil {
		return nil, err
	}
	info, status := raw.Describe()
	if err := failure("describe model", status, ""); err != nil {
		raw.Free()
		return nil, err
	}
	m := &Model{raw: raw, info: ModelInfo{
		Name: info.Name, Version: info.Version, View: View(info.View), Inputs: int(info.Inputs),
		Threshold: info.Threshold, UncertainLow: info.UncertainLow, UncertainHigh: info.UncertainHigh,
		Kernel: info.Kernel,
	}}
	runtime.SetFinalizer(m, (*Model).free)
	return m, nil
}

// LoadModelFile is LoadModel of a file: models/NAME/VERSION/model.onnx.
func LoadModelFile(path string) (*Model, error) {
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reelsense: load model: %w", err)
	}
	model, err := LoadModel(bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return model, nil
}

// Info describes the model.
func (m *Model) Info() ModelInfo { return m.info }

// Classify labels len(decisions) full feature vectors, row-major [len(decisions), Info().View.FeatureCount()]. It
// allocates nothing. A NaN is taken as the model takes it (trees: their default branch). Not after Close.
func (m *Model) Classify(decisions []Decision, rows []float32) error {
	width := m.info.View.FeatureCount()
	if len(rows) != len(decisions)*width {
		return &Error{"classify", ErrInvalidArgument, fmt.Sprintf("%d decisions need %d values of %d features each, not %d",
			len(decisions), len(decisions)*width, width, len(rows))}
	}
	if len(decisions) == 0 {
		return nil
	}
	status := m.raw.Classify(unsafe.Pointer(&decisions[0]), &rows[0], len(decisions))
	runtime.KeepAlive(m)
	return failure("classify", status, "")
}

// Close gives the memory back. Classifiers that use the model keep it alive; nobody else may use it any more. A second
// Close does nothing.
func (m *Model) Close() error {
	runtime.SetFinalizer(m, nil)
	m.free()
	return nil
}

func (m *Model) free() { m.once.Do(m.raw.Free) }
