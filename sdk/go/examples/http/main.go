// Command http fetches URLs and tells what each connection carried.
//
//	go run ./examples/http MODEL.onnx URL…
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"reelsense.dev/go/monitor"
	"reelsense.dev/go/reelsense"
)

func main() {
	model, err := reelsense.LoadModelFile(os.Args[1]) // of view socket
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	classifier, err := reelsense.NewClassifier(model, reelsense.Options{
		View: reelsense.ViewSocket,
		Handler: reelsense.HandlerFuncs{Windows: func(windows []reelsense.Window) {
			for _, w := range windows {
				fmt.Printf("connection %d: %d bytes down, %v\n", w.Flow, w.BytesDown, w.Decision.Label)
			}
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	m, err := monitor.New(classifier)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()

	early := func(r *http.Response, d reelsense.Decision) { // before the body is read
		fmt.Printf("%s: %v so far, uncertain %v\n", r.Status, d.Label, d.Uncertain)
	}
	client := &http.Client{Transport: m.RoundTripper(m.Transport(nil), early)}
	for _, url := range os.Args[2:] {
		response, err := client.Get(url)
		if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	client.CloseIdleConnections()
	if err := classifier.Finish(); err != nil {
		log.Fatal(err)
	}
}
