// Command quickstart labels a capture second by second.
//
//	go run ./examples/quickstart MODEL.onnx CAPTURE.pcap
package main

import (
	"fmt"
	"log"
	"os"

	"reelsense.dev/go/pcap"
	"reelsense.dev/go/reelsense"
)

func main() {
	model, err := reelsense.LoadModelFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()

	classifier, err := reelsense.NewClassifier(model, reelsense.Options{Handler: reelsense.HandlerFuncs{
		Second: func(s reelsense.Second) {
			fmt.Printf("%d %-9v %.2f  prefetch %d (%v)\n", s.Second, s.Session.Label, s.Session.Confidence,
				s.QoS.PrefetchDepth, s.QoS.PrefetchReason)
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()

	file, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	link, frames, err := pcap.Read(file)
	if err != nil {
		log.Fatal(err)
	}
	if err := classifier.AddFrames(link, frames); err != nil {
		log.Fatal(err)
	}
	if err := classifier.Finish(); err != nil {
		log.Fatal(err)
	}
}
