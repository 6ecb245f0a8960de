// Command edge has a server label a flow's packets over gRPC, as a stream.
//
//	go run ./examples/edge localhost:8081
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"reelsense.dev/go/edge"
	"reelsense.dev/go/edge/rpc"
)

func main() {
	client, err := rpc.New(os.Args[1], rpc.Options{APIKey: os.Getenv("REELSENSE_API_KEY")})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stream, err := client.OpenStream(ctx)
	if err != nil {
		log.Fatal(err)
	}

	go func() { // one goroutine sends while this one receives
		const begin = 1_700_000_000_000_000_000
		for second := int64(0); second < 3; second++ {
			flow := edge.FlowPackets{Flow: "phone-7", End: second == 2}
			for i := int64(0); i < 100; i++ {
				flow.Packets = append(flow.Packets, edge.Packet{
					TimeNS: begin + second*1e9 + i*1e7, Bytes: 1400, Direction: edge.Down})
			}
			request := &edge.Request{Model: "reelsense-edge", Flows: []edge.FlowPackets{flow}}
			if stream.Send(request, uint64(second)) != nil {
				break // Recv says why
			}
		}
		_ = stream.CloseSend()
	}()

	for {
		answer, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatal(err)
		}
		if answer.Failed != nil {
			log.Fatal(answer.Failed.Err)
		}
		for _, l := range answer.Labels {
			fmt.Println(l.Flow, l.Second, l.Label, l.Err)
		}
	}
}
