// Command reelsense-conformance runs the conformance cases that every SDK runs, and prints how many there were.
//
//	go run ./cmd/reelsense-conformance ROOT
//
// ROOT is the repository's root. The last line is "conformance: N cases, F failed"; the exit code is 1 if any failed.
package main

import (
	"fmt"
	"os"

	"reelsense.dev/go/internal/conformance"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reelsense-conformance ROOT")
		os.Exit(2)
	}
	root := os.Args[1]
	cases, err := conformance.Cases(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reelsense-conformance:", err)
		os.Exit(2)
	}
	failed := 0
	for _, c := range cases {
		if err := conformance.Run(root, c); err != nil {
			failed++
			fmt.Println("failed:", err)
		}
	}
	fmt.Printf("conformance: %d cases, %d failed\n", len(cases), failed)
	if failed > 0 {
		os.Exit(1)
	}
}
