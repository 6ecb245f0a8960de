package rest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"reelsense.dev/go/edge"
	"reelsense.dev/go/edge/rest"
)

// Labels from packets. The server of this example always gives the same answer; a real one is started by make serve.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"model": "reelsense-edge@1.0.0", "labels": [{"flow": "phone-7/443", "second": 1700000000,
			"label": "non-video", "confidence": 0.9525, "probability": 0.0475, "uncertain": false}]}`)
	}))
	defer server.Close()

	client, err := rest.New(server.URL, rest.Options{}) // "http://localhost:8080"
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := client.Classify(ctx, &edge.Request{Flows: []edge.FlowPackets{{Flow: "phone-7/443", End: true,
		Packets: []edge.Packet{
			{TimeNS: 1_700_000_000_100_000_000, Bytes: 120, Direction: edge.Up},
			{TimeNS: 1_700_000_000_130_000_000, Bytes: 1400, Direction: edge.Down},
		}}}})
	if errors.Is(err, edge.ErrLimited) {
		log.Fatal("come back later: ", err)
	} else if err != nil {
		log.Fatal(err)
	}
	for _, l := range answer.Labels {
		fmt.Println(l.Flow, l.Second, l.Label, l.Confidence)
	}
	// Output: phone-7/443 1700000000 non-video 0.9525
}
