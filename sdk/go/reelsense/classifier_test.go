package reelsense_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

func newClassifier(t testing.TB, model *reelsense.Model, options reelsense.Options) *reelsense.Classifier {
	t.Helper()
	c, err := reelsense.NewClassifier(model, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestNewClassifier_WrongOptions_AreNamed(t *testing.T) {
	model := testdata.Model(t, testdata.PacketModel)
	for name, c := range map[string]struct {
		options reelsense.Options
		status  reelsense.Status
		says    string
	}{
		"other view":   {reelsense.Options{View: reelsense.ViewSocket}, reelsense.ErrMismatch, "packet"},
		"no view":      {reelsense.Options{View: 7}, reelsense.ErrInvalidArgument, "view"},
		"many flows":   {reelsense.Options{MaxFlows: 1 << 25}, reelsense.ErrInvalidArgument, "max_flows"},
		"short idle":   {reelsense.Options{IdleTimeout: time.Millisecond}, reelsense.ErrInvalidArgument, "idle"},
		"long active":  {reelsense.Options{ActiveTimeout: 1000 * time.Hour}, reelsense.ErrInvalidArgument, "active"},
		"no setting":   {reelsense.Options{Policy: map[string]float64{"prefetch": 1}}, reelsense.ErrInvalidArgument, "prefetch"},
		"NUL":          {reelsense.Options{Policy: map[string]float64{"a\x00": 1}}, reelsense.ErrInvalidArgument, `a\x00`},
		"out of range": {reelsense.Options{Policy: map[string]float64{"video_prefetch_depth": 1000}}, reelsense.ErrInvalidArgument, "video_prefetch_depth"},
	} {
		_, err := reelsense.NewClassifier(model, c.options)
		if !errors.Is(err, c.status) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v; %v that names %q expected", name, err, c.status, c.says)
		}
	}
}

func TestClassifier_PacketsAndFrames_SameResults(t *testing.T) {
	model := testdata.Model(t, testdata.PacketModel)
	link, frames := testdata.Capture(t, testdata.Reels)
	var fromFrames, one reelsense.Collector
	c := newClassifier(t, model, reelsense.Options{Handler: &fromFrames})
	if err := c.AddFrames(link, frames); err != nil {
		t.Fatal(err)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	single := newClassifier(t, model, reelsense.Options{Handler: &one})
	for i := range frames {
		if err := single.AddFrames(link, frames[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := single.Finish(); err != nil {
		t.Fatal(err)
	}
	if len(fromFrames.Windows) == 0 || !reflect.DeepEqual(fromFrames, one) {
		t.Errorf("%d windows at once, %d frame by frame, or they differ", len(fromFrames.Windows), len(one.Windows))
	}
	counters, err := c.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if counters.Windows != uint64(len(fromFrames.Windows)) || counters.Flows != uint64(len(fromFrames.Flows)) ||
		counters.Records == 0 || counters.MemoryBytes == 0 || counters.LiveFlows != 0 ||
		counters.Ended[reelsense.EndEnd]+counters.Ended[reelsense.EndFinished] != counters.Flows {
		t.Errorf("%+v", counters)
	}
}

// packets of a made-up download.
func packets(n int, start time.Time) []reelsense.Packet {
	client, server := netip.MustParseAddrPort("10.0.0.7:40000"), netip.MustParseAddrPort("203.0.113.80:443")
	out := make([]reelsense.Packet, n)
	for i := range out {
		p := &out[i]
		p.TimeNS = start.Add(time.Duration(i) * time.Millisecond).UnixNano()
		p.SetAddresses(server, client)
		p.WireBytes, p.Protocol = 1400, 17
		if i%4 == 0 {
			p.SetAddresses(client, server)
			p.WireBytes = 80
		}
	}
	return out
}

var epoch = time.Unix(1_700_000_000, 0)

func TestClassifier_AddPackets_Results(t *testing.T) {
	var got reelsense.Collector
	c := newClassifier(t, nil, reelsense.Options{Handler: &got})
	if err := c.AddPackets(packets(2500, epoch)); err != nil {
		t.Fatal(err)
	}
	if len(got.Windows) != 2 || len(got.Seconds) != 2 {
		t.Fatalf("%d windows and %d seconds before Advance, 2 expected", len(got.Windows), len(got.Seconds))
	}
	if err := c.Advance(epoch.Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if len(got.Windows) != 3 {
		t.Fatalf("%d windows after Advance, 3 expected", len(got.Windows))
	}
	w := got.Windows[0]
	if w.Second != epoch.Unix() || !w.Start().Equal(epoch) || w.PacketsUp != 250 || w.PacketsDown != 750 ||
		w.BytesDown != 750*1400 || w.Tuple.Client.String() != "10.0.0.7:40000" || w.Tuple.Protocol != 17 ||
		!w.Decision.Uncertain || w.Decision.Probability != 0.5 || len(w.Features()) != 48 || w.Bins[0] == 0 {
		t.Errorf("%+v", w)
	}
	if err := c.Advance(epoch); err != nil { // an earlier time changes nothing
		t.Error(err)
	}
}

func TestClassifier_WrongCalls_AreRefused(t *testing.T) {
	packet := newClassifier(t, nil, reelsense.Options{})
	socket := newClassifier(t, nil, reelsense.Options{View: reelsense.ViewSocket})
	if _, err := packet.OpenFlow(epoch); err == nil || !strings.Contains(err.Error(), "socket") {
		t.Errorf("a flow in a packet classifier: %v", err)
	}
	if err := socket.AddPackets(packets(1, epoch)); err == nil || !strings.Contains(err.Error(), "packet") {
		t.Errorf("packets in a socket classifier: %v", err)
	}
	if err := packet.AddFrames(9999, []reelsense.Frame{{TimeNS: epoch.UnixNano(), Data: []byte{1}}}); !errors.Is(err, reelsense.ErrUnsupported) {
		t.Errorf("an unknown link type: %v", err)
	}
	if err := packet.AddFrames(reelsense.LinkRaw, []reelsense.Frame{{TimeNS: epoch.UnixNano()}, {TimeNS: -5, Data: []byte{0x45}}}); err != nil {
		t.Errorf("malformed frames are data, not errors: %v", err)
	}
	counters, err := packet.Counters()
	if err != nil || len(counters.Dropped) == 0 {
		t.Errorf("malformed frames are counted by reason: %+v, %v", counters, err)
	}
	if err := packet.SetModel(nil); !errors.Is(err, reelsense.ErrInvalidArgument) {
		t.Error(err)
	}
	if err := packet.SetModel(testdata.Model(t, testdata.SocketModel)); !errors.Is(err, reelsense.ErrMismatch) {
		t.Errorf("a model of another view: %v", err)
	}
	if err := packet.SetModel(testdata.Model(t, testdata.PacketModel)); err != nil {
		t.Error(err)
	}
	if err := packet.AddPackets(nil); err != nil {
		t.Error(err)
	}
}

func TestClassifier_AfterClose_IsClosed(t *testing.T) {
	c := newClassifier(t, nil, reelsense.Options{View: reelsense.ViewSocket})
	flow, err := c.OpenFlow(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 2; i++ {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, errPeek := flow.Peek()
	_, errOpen := c.OpenFlow(epoch)
	_, errCounters := c.Counters()
	for name, err := range map[string]error{
		"read": flow.Read(1, epoch), "wrote": flow.Wrote(1, epoch), "close": flow.Close(epoch), "peek": errPeek,
		"open": errOpen, "advance": c.Advance(epoch), "finish": c.Finish(), "counters": errCounters,
		"zero flow": reelsense.Flow{}.Read(1, epoch),
	} {
		if !reelsense.IsClosed(err) {
			t.Errorf("%s: %v, ErrClosed expected", name, err)
		}
	}
}

func TestClassifier_HandlerCallsTheClassifier_Works(t *testing.T) {
	var c *reelsense.Classifier
	var seconds []int64
	c = newClassifier(t, nil, reelsense.Options{Handler: reelsense.HandlerFuncs{
		Second: func(s reelsense.Second) {
			seconds = append(seconds, s.Second)
			if len(seconds) < 5 { // what this gives is handled after it returns
				if err := c.Advance(time.Unix(s.Second+2, 0)); err != nil {
					t.Error(err)
				}
			}
			if _, err := c.Counters(); err != nil {
				t.Error(err)
			}
		},
	}})
	if err := c.AddPackets(packets(1, epoch)); err != nil {
		t.Fatal(err)
	}
	if err := c.Advance(epoch.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	k := epoch.Unix()
	if !reflect.DeepEqual(seconds, []int64{k, k + 1, k + 2, k + 3, k + 4}) {
		t.Errorf("seconds %v", seconds)
	}
}

func TestClassifier_HandlerPanics_ClassifierLivesOn(t *testing.T) {
	panics := true
	windows := 0
	c := newClassifier(t, nil, reelsense.Options{Handler: reelsense.HandlerFuncs{Windows: func(w []reelsense.Window) {
		if panics {
			panic("the app's own")
		}
		windows += len(w)
	}}})
	func() {
		defer func() {
			if got := recover(); got != "the app's own" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = c.AddPackets(packets(1500, epoch))
	}()
	panics = false
	if err := c.AddPackets(packets(1500, epoch.Add(10*time.Second))); err != nil {
		t.Fatal(err)
	}
	if windows == 0 {
		t.Error("no windows after the panic")
	}
}

func TestClassifier_ManyGoroutines_NothingLostAndInOrder(t *testing.T) {
	var mu sync.Mutex // shows that one goroutine at a time is in the handler: it is only tried
	var bytes uint64
	var last int64
	busy := func(f func()) {
		if !mu.TryLock() {
			t.Error("two goroutines are in the handler")
			return
		}
		f()
		mu.Unlock()
	}
	c := newClassifier(t, testdata.Model(t, testdata.SocketModel), reelsense.Options{View: reelsense.ViewSocket,
		Handler: reelsense.HandlerFuncs{
			Windows: func(windows []reelsense.Window) {
				busy(func() {
					for i := range windows {
						bytes += windows[i].BytesDown
					}
				})
			},
			Second: func(s reelsense.Second) {
				busy(func() {
					if s.Second <= last {
						t.Errorf("second %d after %d", s.Second, last)
					}
					last = s.Second
				})
			},
		}})
	const goroutines, reads = 16, 2000
	var group sync.WaitGroup
	for g := 0; g < goroutines; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			flow, err := c.OpenFlow(epoch)
			if err != nil {
				t.Error(err)
				return
			}
			for i := 0; i < reads; i++ {
				if err := flow.Read(100, epoch.Add(time.Duration(i)*5*time.Millisecond)); err != nil {
					t.Error(err)
					return
				}
				if i%500 == 0 {
					if _, err := flow.Peek(); err != nil {
						t.Error(err)
					}
				}
			}
			if err := flow.Close(epoch.Add(10 * time.Second)); err != nil {
				t.Error(err)
			}
		}()
	}
	group.Wait()
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	if want := uint64(goroutines * reads * 100); bytes != want {
		t.Errorf("%d bytes in windows, %d were read", bytes, want)
	}
}

func TestClassifier_SlowHandler_LeavesOutAndCounts(t *testing.T) {
	enter, leave := make(chan bool, 1), make(chan bool)
	first := true
	c := newClassifier(t, nil, reelsense.Options{MaxFlows: 1, Handler: reelsense.HandlerFuncs{
		Windows: func([]reelsense.Window) {
			if first {
				first = false
				enter <- true
				<-leave
			}
		},
	}})
	done := make(chan error)
	go func() { done <- c.AddPackets(packets(1001, epoch)) }()
	<-enter
	// The handler is stuck, and this goroutine goes on: results wait, then are left out.
	for i := 0; i < 6000; i++ {
		if err := c.AddPackets(packets(1, epoch.Add(time.Duration(2+i)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	counters, err := c.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if counters.Undelivered == 0 || counters.Undelivered > 3000 {
		t.Errorf("%d windows were left out of 6000", counters.Undelivered)
	}
	leave <- true
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestClassifier_Forgotten_IsCollected(t *testing.T) {
	collected := make(chan bool, 1)
	func() {
		handler := &reelsense.Collector{}
		runtime.SetFinalizer(handler, func(*reelsense.Collector) { collected <- true })
		if _, err := reelsense.NewClassifier(nil, reelsense.Options{Handler: handler}); err != nil {
			t.Fatal(err)
		}
	}()
	for i := 0; i < 100; i++ {
		runtime.GC()
		select {
		case <-collected:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the handle that C holds keeps a forgotten classifier alive")
}

func TestClassifier_Policy_ChangesDecisions(t *testing.T) {
	depth := func(policy map[string]float64) uint32 {
		var got reelsense.Collector
		c := newClassifier(t, nil, reelsense.Options{Policy: policy, Handler: &got})
		if err := c.AddPackets(packets(10, epoch)); err != nil {
			t.Fatal(err)
		}
		if err := c.Finish(); err != nil {
			t.Fatal(err)
		}
		return got.Seconds[0].QoS.PrefetchDepth
	}
	var standard float64
	for _, setting := range reelsense.PolicySettings() {
		if setting.Name == "default_prefetch_depth" {
			standard = setting.Default
		}
		if setting.Help == "" || setting.Low > setting.Default || setting.Default > setting.High {
			t.Errorf("%+v", setting)
		}
	}
	if got := depth(nil); got != uint32(standard) || got == 0 {
		t.Errorf("default depth %d, the setting says %v", got, standard)
	}
	if got := depth(map[string]float64{"default_prefetch_depth": 7}); got != 7 {
		t.Errorf("depth %d, 7 was set", got)
	}
}
