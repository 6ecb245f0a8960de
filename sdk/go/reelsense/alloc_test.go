package reelsense_test

import (
	"testing"
	"time"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

// Nothing is allocated per packet, read or write, nor per result after the first ones.
func TestClassifier_AfterSetUp_AllocatesNothing(t *testing.T) {
	var got reelsense.Collector
	at := epoch
	batch := packets(64, at)
	raw := make([]byte, 60)
	raw[0] = 0x45
	frames := make([]reelsense.Frame, 64)

	packet := newClassifier(t, testdata.Model(t, testdata.PacketModel), reelsense.Options{Handler: &got})
	addPackets := func() {
		got.Reset()
		at = at.Add(500 * time.Millisecond)
		for i := range batch {
			batch[i].TimeNS = at.UnixNano()
		}
		if err := packet.AddPackets(batch); err != nil {
			t.Fatal(err)
		}
	}
	addFrames := func() {
		got.Reset()
		at = at.Add(500 * time.Millisecond)
		for i := range frames {
			frames[i] = reelsense.Frame{TimeNS: at.UnixNano(), Data: raw, WireBytes: 1400}
		}
		if err := packet.AddFrames(reelsense.LinkRaw, frames); err != nil {
			t.Fatal(err)
		}
	}
	socket := socketClassifier(t, reelsense.Options{Handler: &got})
	flow, err := socket.OpenFlow(at)
	if err != nil {
		t.Fatal(err)
	}
	reads := func() {
		got.Reset()
		at = at.Add(100 * time.Millisecond)
		if err := flow.Read(16<<10, at); err != nil {
			t.Fatal(err)
		}
		if err := flow.Wrote(100, at); err != nil {
			t.Fatal(err)
		}
		if _, err := flow.Peek(); err != nil {
			t.Fatal(err)
		}
		if err := socket.Advance(at); err != nil {
			t.Fatal(err)
		}
	}
	model, rows, decisions := testdata.Model(t, testdata.PacketModel), make([]float32, 4*48), make([]reelsense.Decision, 4)
	classify := func() {
		if err := model.Classify(decisions, rows); err != nil {
			t.Fatal(err)
		}
	}
	runs := map[string]func(){"packets": addPackets, "frames": addFrames, "reads": reads, "rows": classify}
	for name, f := range runs {
		for i := 0; i < 100; i++ {
			f() // the first results make room
		}
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations a run", name, n)
		}
	}
	if packet, err := packet.Counters(); err != nil || packet.Windows < 100 {
		t.Errorf("the runs closed no windows: %+v, %v", packet, err)
	}
}
