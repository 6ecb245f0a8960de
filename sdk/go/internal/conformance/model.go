package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"reelsense.dev/go/reelsense"
)

// runModel labels a bundle's golden rows with the model beside them.
func runModel(root, file string) error {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return err
	}
	var golden struct {
		Features    []string    `json:"features"`
		Rows        [][]float32 `json:"rows"`
		Probability []float64   `json:"probability"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		return err
	}
	if len(golden.Rows) == 0 || len(golden.Rows) != len(golden.Probability) {
		return fmt.Errorf("%d rows and %d probabilities", len(golden.Rows), len(golden.Probability))
	}
	model, err := reelsense.LoadModelFile(filepath.Join(root, filepath.Dir(file), "model.onnx"))
	if err != nil {
		return err
	}
	defer model.Close()
	rows, err := fullRows(model.Info().View, golden.Features, golden.Rows)
	if err != nil {
		return err
	}
	decisions := make([]reelsense.Decision, len(golden.Rows))
	if err := model.Classify(decisions, rows); err != nil {
		return err
	}
	for i, want := range golden.Probability {
		if got := float64(decisions[i].Probability); math.Abs(got-want) > tolerance {
			return fmt.Errorf("row %d: probability is %v, expected %v", i, got, want)
		}
	}
	return nil
}

// fullRows puts named columns into the view's vectors; all other features are 0.
func fullRows(view reelsense.View, names []string, rows [][]float32) ([]float32, error) {
	place := map[string]int{}
	for i, name := range view.FeatureNames() {
		place[name] = i
	}
	width := view.FeatureCount()
	full := make([]float32, len(rows)*width)
	for column, name := range names {
		at, ok := place[name]
		if !ok {
			return nil, fmt.Errorf("view %v has no feature %q", view, name)
		}
		for i, row := range rows {
			full[i*width+at] = row[column]
		}
	}
	return full, nil
}
