package conformance

import (
	"testing"

	"reelsense.dev/go/internal/repo"
)

func TestConformance(t *testing.T) {
	root := repo.Path("")
	cases, err := Cases(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("the list is empty")
	}
	for _, c := range cases {
		c := c
		t.Run(c.Kind+"/"+c.File, func(t *testing.T) {
			if err := Run(root, c); err != nil {
				t.Error(err)
			}
		})
	}
}
