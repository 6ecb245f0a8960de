package reelsense_test

import (
	"testing"
	"time"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

// go test -bench . -benchmem ./reelsense

func BenchmarkAddFrames(b *testing.B) {
	link, frames := testdata.Capture(b, testdata.Reels)
	c := newClassifier(b, testdata.Model(b, testdata.PacketModel), reelsense.Options{Handler: reelsense.HandlerFuncs{}})
	span := frames[len(frames)-1].TimeNS - frames[0].TimeNS + int64(time.Second)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := len(frames)
		if n > b.N-done {
			n = b.N - done
		}
		if err := c.AddFrames(link, frames[:n]); err != nil {
			b.Fatal(err)
		}
		done += n
		for i := range frames {
			frames[i].TimeNS += span // the next round comes later
		}
	}
}

func BenchmarkAddPackets(b *testing.B) {
	c := newClassifier(b, testdata.Model(b, testdata.PacketModel), reelsense.Options{Handler: reelsense.HandlerFuncs{}})
	batch := packets(256, epoch)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		n := len(batch)
		if n > b.N-done {
			n = b.N - done
		}
		if err := c.AddPackets(batch[:n]); err != nil {
			b.Fatal(err)
		}
		done += n
		for i := range batch {
			batch[i].TimeNS += 256 * int64(time.Millisecond)
		}
	}
}

func BenchmarkFlowRead(b *testing.B) {
	c := socketClassifier(b, reelsense.Options{Handler: reelsense.HandlerFuncs{}})
	flow, err := c.OpenFlow(epoch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i, at := 0, epoch.UnixNano(); i < b.N; i++ {
		at += int64(time.Millisecond)
		if err := flow.ReadNS(16<<10, at); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWindow(b *testing.B) {
	for _, flows := range []int{1, 256} {
		b.Run(map[int]string{1: "1 flow", 256: "256 flows"}[flows], func(b *testing.B) {
			c := socketClassifier(b, reelsense.Options{Handler: reelsense.HandlerFuncs{}})
			open := make([]reelsense.Flow, flows)
			for i := range open {
				var err error
				if open[i], err = c.OpenFlow(epoch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			at := epoch.UnixNano()
			for done := 0; done < b.N; done += flows {
				b.StopTimer()
				for _, flow := range open {
					if err := flow.ReadNS(16<<10, at); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				at += int64(time.Second)
				if err := c.AdvanceNS(at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkModelClassify(b *testing.B) {
	model := testdata.Model(b, testdata.PacketModel)
	rows, decisions := make([]float32, 256*48), make([]reelsense.Decision, 256)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += len(decisions) {
		if err := model.Classify(decisions, rows); err != nil {
			b.Fatal(err)
		}
	}
}
