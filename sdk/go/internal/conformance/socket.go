package conformance

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"reelsense.dev/go/reelsense"
)

// connection has a classifier of its own: the logs' connections are out of order among each other, and a classifier has
// one clock.
type connection struct {
	classifier *reelsense.Classifier
	flow       reelsense.Flow
	got        reelsense.Collector
}

// runSocket feeds a log of reads and writes, and compares each connection's rows.
func runSocket(root, file string) error {
	want, err := table(filepath.Join(root, file))
	if err != nil {
		return err
	}
	log, err := table(filepath.Join(root, "tests/golden/views/logs", filepath.Base(file)))
	if err != nil {
		return err
	}
	connections := map[string]*connection{}
	defer func() {
		for _, c := range connections {
			_ = c.classifier.Close()
		}
	}()
	for i, line := range log {
		if err := feed(connections, line); err != nil {
			return fmt.Errorf("line %d of the log: %w", i+2, err)
		}
	}
	rows := 0
	for _, c := range connections {
		if err := c.classifier.Finish(); err != nil {
			return err
		}
		rows += len(c.got.Windows)
	}
	if err := compareConnections(connections, want); err != nil {
		return err
	}
	return equal("number of rows", rows, len(want))
}

// feed takes a line time_ns,connection,direction,bytes.
func feed(connections map[string]*connection, line []string) error {
	timeNS, err := strconv.ParseInt(line[0], 10, 64)
	if err != nil {
		return err
	}
	bytes, err := strconv.Atoi(line[3])
	if err != nil {
		return err
	}
	c, ok := connections[line[1]]
	if !ok {
		c = new(connection)
		options := reelsense.Options{View: reelsense.ViewSocket, Handler: &c.got}
		if c.classifier, err = reelsense.NewClassifier(nil, options); err != nil {
			return err
		}
		connections[line[1]] = c
		if c.flow, err = c.classifier.OpenFlowNS(timeNS); err != nil {
			return err
		}
	}
	if line[2] == "down" {
		return c.flow.ReadNS(bytes, timeNS)
	}
	return c.flow.WroteNS(bytes, timeNS)
}

func compareConnections(connections map[string]*connection, want [][]string) error {
	next := map[string]int{}
	for i, line := range want {
		name := line[0]
		c := connections[name]
		if c == nil || next[name] == len(c.got.Windows) {
			return fmt.Errorf("row %d: connection %s has no more rows", i, name)
		}
		window := &c.got.Windows[next[name]]
		next[name]++
		values := make([]float64, len(line)-2)
		for f := range values {
			var err error
			if values[f], err = strconv.ParseFloat(line[f+2], 64); err != nil {
				return err
			}
		}
		err := equal("second", window.Second, line[1])
		if err == nil {
			err = features(window.Features(), values)
		}
		if err != nil {
			return fmt.Errorf("row %d, connection %s: %w", i, name, err)
		}
	}
	return nil
}

// table reads a CSV file without its header.
func table(path string) ([][]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s is empty", path)
	}
	return rows[1:], nil
}
