// Package conformance runs the cases of tests/conformance, which every SDK runs, through this SDK's public door.
package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

const tolerance = 1e-6 // of a value, or of 1 where the value is below 1

// Case is one line of the list.
type Case struct {
	Kind string `json:"kind"`
	File string `json:"file"` // from the repository's root
}

// Cases reads the list below root, the repository's.
func Cases(root string) ([]Case, error) {
	const list = "tests/conformance/cases.json"
	text, err := os.ReadFile(filepath.Join(root, list))
	if err != nil {
		return nil, err
	}
	var all struct {
		Count int    `json:"count"`
		Cases []Case `json:"cases"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	if all.Count != len(all.Cases) {
		return nil, fmt.Errorf("%s: %d cases, it says %d", list, len(all.Cases), all.Count)
	}
	return all.Cases, nil
}

// Run runs one case; the error says what differs first.
func Run(root string, c Case) error {
	kinds := map[string]func(root, file string) error{
		"capture": runCapture, "socket": runSocket, "model": runModel, "decisions": runDecisions,
	}
	run, ok := kinds[c.Kind]
	if !ok {
		return fmt.Errorf("%s: this runner knows no kind %q", c.File, c.Kind)
	}
	if err := run(root, c.File); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	return nil
}

// lines gives a file's JSON lines: the first into header, each other one to row.
func lines(path string, header any, row func(line []byte) error) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	scanner := bufio.NewScanner(bytes.NewReader(text))
	scanner.Buffer(nil, len(text)+1)
	for number := 1; scanner.Scan(); number++ {
		var err error
		if number == 1 {
			err = json.Unmarshal(scanner.Bytes(), header)
		} else {
			err = row(scanner.Bytes())
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
	return scanner.Err()
}

func close32(got float32, want float64) bool {
	return math.Abs(float64(got)-want) <= tolerance*math.Max(1, math.Abs(want))
}

// features compares a vector with what is expected of it.
func features(got []float32, want []float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d features, expected %d", len(got), len(want))
	}
	for i := range want {
		if !close32(got[i], want[i]) {
			return fmt.Errorf("feature %d is %v, expected %v", i, got[i], want[i])
		}
	}
	return nil
}

// equal compares values that must be the same, and names the first that is not.
func equal(pairs ...any) error {
	for i := 0; i < len(pairs); i += 3 {
		if got, want := fmt.Sprint(pairs[i+1]), fmt.Sprint(pairs[i+2]); got != want {
			return fmt.Errorf("%v is %s, expected %s", pairs[i], got, want)
		}
	}
	return nil
}
