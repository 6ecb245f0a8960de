package conformance

import (
	"testing"
)

const root = "../../../.."

func TestConformance(t *testing.T) {
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
