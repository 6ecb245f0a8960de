package reelsense_test

import (
	"errors"
	"testing"
	"time"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

func socketClassifier(t testing.TB, options reelsense.Options) *reelsense.Classifier {
	options.View = reelsense.ViewSocket
	return newClassifier(t, testdata.Model(t, testdata.SocketModel), options)
}

func TestFlow_ClosedTwice_IsClosed(t *testing.T) {
	var got reelsense.Collector
	c := socketClassifier(t, reelsense.Options{Handler: &got})
	flow, err := c.OpenFlow(epoch)
	if err != nil || flow.ID() == 0 {
		t.Fatal(flow.ID(), err)
	}
	if err := flow.Wrote(300, epoch); err != nil {
		t.Fatal(err)
	}
	if err := flow.Read(70_000, epoch.Add(20*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := flow.Close(epoch.Add(30 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := flow.Close(epoch); !errors.Is(err, reelsense.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if err := flow.Read(1, epoch); !errors.Is(err, reelsense.ErrClosed) {
		t.Errorf("read after close: %v", err)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	if len(got.Flows) != 1 || got.Flows[0].Reason != reelsense.EndFinished || got.Flows[0].Flow != flow.ID() {
		t.Fatalf("%+v", got.Flows)
	}
	if w := got.Windows[0]; len(got.Windows) != 1 || w.BytesDown != 70_000 || w.BytesUp != 300 || w.PacketsDown != 1 ||
		w.Flow != flow.ID() || w.Tuple.Client.IsValid() || len(w.Features()) != 28 {
		t.Errorf("%+v", got.Windows)
	}
}

func TestFlow_BadNumbers_AreRefused(t *testing.T) {
	c := socketClassifier(t, reelsense.Options{})
	flow, err := c.OpenFlow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{-1, 1 << 32} {
		if err := flow.Read(n, epoch); !errors.Is(err, reelsense.ErrInvalidArgument) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if err := flow.Read(0, epoch); err != nil {
		t.Error(err)
	}
}

func TestFlow_FullTable_QuietestIsEvicted(t *testing.T) {
	var got reelsense.Collector
	c := socketClassifier(t, reelsense.Options{MaxFlows: 2, Handler: &got})
	var flows [3]reelsense.Flow
	for i := range flows {
		var err error
		now := epoch.Add(time.Duration(i) * time.Millisecond)
		if flows[i], err = c.OpenFlow(now); err != nil {
			t.Fatal(err)
		}
		if err := flows[i].Read(10, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := flows[0].Read(1, epoch.Add(time.Second)); !reelsense.IsClosed(err) {
		t.Errorf("an evicted flow: %v", err)
	}
	if len(got.Flows) != 1 || got.Flows[0].Reason != reelsense.EndEvicted {
		t.Errorf("%+v", got.Flows)
	}
}

func TestFlow_Peek_LabelsTheOpenWindow(t *testing.T) {
	c := socketClassifier(t, reelsense.Options{})
	flow, err := c.OpenFlow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	before, err := flow.Peek()
	if err != nil || !before.Uncertain {
		t.Fatalf("before the first byte: %+v, %v", before, err)
	}
	for i := 0; i < 40; i++ {
		if err := flow.Read(16<<10, epoch.Add(time.Duration(i)*20*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	after, err := flow.Peek()
	if err != nil || after == before || after.Probability < 0 || after.Probability > 1 {
		t.Errorf("%+v, before %+v, %v", after, before, err)
	}
	again, err := flow.Peek()
	if err != nil || again != after {
		t.Errorf("a peek changed something: %+v, %+v", after, again)
	}
}

func TestExtract_SameBitsAsTheClassifier(t *testing.T) {
	var series reelsense.Series
	var got reelsense.Collector
	c := socketClassifier(t, reelsense.Options{Handler: &got})
	flow, err := c.OpenFlow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 500; i++ {
		at, bytes := epoch.Add(time.Duration(i*i)*100*time.Microsecond), 1+i*37%9000
		if i%9 == 0 {
			series.Append(at.UnixNano(), uint32(bytes), reelsense.Up)
			err = flow.Wrote(bytes, at)
		} else {
			series.Append(at.UnixNano(), uint32(bytes), reelsense.Down)
			err = flow.Read(bytes, at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	rows, err := reelsense.Extract(reelsense.ViewSocket, series)
	if err != nil {
		t.Fatal(err)
	}
	if rows.Len() != len(got.Windows) || rows.Len() < 20 {
		t.Fatalf("%d rows, %d windows", rows.Len(), len(got.Windows))
	}
	for i := range got.Windows {
		w := &got.Windows[i]
		if rows.Seconds[i] != w.Second {
			t.Fatalf("row %d: second %d, %d", i, rows.Seconds[i], w.Second)
		}
		for f, value := range w.Features() {
			if rows.Row(i)[f] != value {
				t.Fatalf("row %d, feature %d: %v, %v", i, f, rows.Row(i)[f], value)
			}
		}
		for b, value := range w.Bins {
			if rows.RowBins(i)[b] != value {
				t.Fatalf("row %d, bin %d: %v, %v", i, b, rows.RowBins(i)[b], value)
			}
		}
	}
}

func TestExtract_WrongColumns_AreRefused(t *testing.T) {
	good := reelsense.Series{TimesNS: []int64{1}, Bytes: []uint32{1}, Directions: []reelsense.Direction{0}}
	short, wild := good, good
	short.Bytes = nil
	wild.Directions = []reelsense.Direction{7}
	for name, s := range map[string]reelsense.Series{"short": short, "direction": wild} {
		if _, err := reelsense.Extract(reelsense.ViewPacket, s); !errors.Is(err, reelsense.ErrInvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reelsense.Extract(reelsense.View(5), good); !errors.Is(err, reelsense.ErrInvalidArgument) {
		t.Error(err)
	}
	rows, err := reelsense.Extract(reelsense.ViewPacket, reelsense.Series{})
	if err != nil || rows.Len() != 0 {
		t.Error(rows, err)
	}
}
