// Package repo finds the files of the checkout that this module lies in. For tests and examples.
package repo

import (
	"path/filepath"
	"runtime"
)

// Path of a file below the repository's root.
func Path(file string) string {
	_, here, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(here), "../../../..", file)
}

// Captures that the tests use.
const (
	Reels = "tests/captures/reels-h3.pcap"
	Feed  = "tests/captures/feed-h2.pcap"
)
