package reelsense_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"reelsense.dev/go/internal/testdata"
	"reelsense.dev/go/reelsense"
)

var keepAll = reelsense.FeedbackOptions{Records: 100, Sample: 1}

func openQueue(t testing.TB, path string, options reelsense.FeedbackOptions) *reelsense.FeedbackQueue {
	t.Helper()
	queue, err := reelsense.OpenFeedback(path, testdata.Model(t, testdata.PacketModel), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close() })
	return queue
}

// windows of a real capture.
func windows(t testing.TB) []reelsense.Window {
	t.Helper()
	var got reelsense.Collector
	c := newClassifier(t, testdata.Model(t, testdata.PacketModel), reelsense.Options{Handler: &got})
	link, frames := testdata.Capture(t, testdata.Reels)
	if err := c.AddFrames(link, frames); err != nil {
		t.Fatal(err)
	}
	return got.Windows
}

func TestFeedback_ClosedAndOpenedAgain_LosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feedback")
	queue := openQueue(t, path, keepAll)
	all := windows(t)
	for i := range all[:10] {
		if kept, err := queue.Add(&all[i], reelsense.TruthVideo); err != nil || !kept {
			t.Fatal(kept, err)
		}
	}
	before, n, err := queue.Peek(100)
	if err != nil || n != 10 {
		t.Fatal(n, err)
	}
	for i := 0; i < 2; i++ {
		if err := queue.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := queue.Add(&all[0], reelsense.TruthVideo); !reelsense.IsClosed(err) || queue.Len() != 0 {
		t.Errorf("after Close: %v", err)
	}
	queue = openQueue(t, path, keepAll)
	after, n, err := queue.Peek(100)
	if err != nil || n != 10 || !bytes.Equal(before, after) {
		t.Errorf("%d records after a restart, %v; the body is the same: %v", n, err, bytes.Equal(before, after))
	}
	if err := queue.Discard(4); err != nil || queue.Len() != 6 {
		t.Error(err, queue.Len())
	}
	if err := queue.Discard(7); !errors.Is(err, reelsense.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestFeedback_Body_HoldsNoNameNoTime(t *testing.T) {
	queue := openQueue(t, filepath.Join(t.TempDir(), "feedback"), keepAll)
	all := windows(t)
	for i := range all {
		if _, err := queue.Add(&all[i], reelsense.TruthUnknown); err != nil {
			t.Fatal(err)
		}
	}
	body, _, err := queue.Peek(100)
	if err != nil {
		t.Fatal(err)
	}
	var batch struct {
		Model        string
		Observations []map[string]any
	}
	if err := json.Unmarshal(body, &batch); err != nil {
		t.Fatal(err)
	}
	if batch.Model != "reelsense-ue@1.0.0" || len(batch.Observations) == 0 {
		t.Errorf("%+v", batch)
	}
	for _, o := range batch.Observations {
		for key := range o {
			if !strings.Contains(" features label confidence uncertain truth ", " "+key+" ") {
				t.Errorf("an observation has %q", key)
			}
		}
	}
	w := &all[0]
	for _, secret := range []string{fmt.Sprint(w.Second), w.Tuple.Client.Addr().String(), w.Tuple.Server.Addr().String()} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("the body holds %s", secret)
		}
	}
}

func TestFeedback_Full_LeavesOutAndCounts(t *testing.T) {
	queue := openQueue(t, filepath.Join(t.TempDir(), "feedback"), reelsense.FeedbackOptions{Records: 2, Sample: 1})
	all := windows(t)
	for i := 0; i < 2; i++ {
		if _, err := queue.Add(&all[i], reelsense.TruthNonVideo); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := queue.Add(&all[2], reelsense.TruthVideo); !errors.Is(err, reelsense.ErrLimit) {
		t.Error(err)
	}
	if queue.Len() != 2 || queue.Lost() != 1 {
		t.Error(queue.Len(), queue.Lost())
	}
}

func TestOpenFeedback_Wrong_SaysWhat(t *testing.T) {
	model := testdata.Model(t, testdata.PacketModel)
	folder := t.TempDir()
	other := filepath.Join(folder, "letter.txt")
	text := []byte(strings.Repeat("Dear feedback, ", 2000))
	if err := os.WriteFile(other, text, 0o600); err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(folder, "note.txt")
	if err := os.WriteFile(short, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path    string
		options reelsense.FeedbackOptions
		status  reelsense.Status
	}{
		"another file":    {other, keepAll, reelsense.ErrCorrupt},
		"a short file":    {short, keepAll, reelsense.ErrInvalidArgument},
		"too many":        {filepath.Join(folder, "a"), reelsense.FeedbackOptions{Records: 2_000_000}, reelsense.ErrInvalidArgument},
		"a wrong sample":  {filepath.Join(folder, "b"), reelsense.FeedbackOptions{Sample: 2}, reelsense.ErrInvalidArgument},
		"a wrong epsilon": {filepath.Join(folder, "c"), reelsense.FeedbackOptions{Epsilon: 99}, reelsense.ErrInvalidArgument},
	} {
		if _, err := reelsense.OpenFeedback(c.path, model, c.options); !errors.Is(err, c.status) {
			t.Errorf("%s: %v, %v expected", name, err, c.status)
		}
	}
	if after, err := os.ReadFile(other); err != nil || !bytes.Equal(after, text) {
		t.Error("a file that is no queue was changed")
	}
	if _, err := reelsense.OpenFeedback(filepath.Join(folder, "no", "folder"), model, keepAll); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := reelsense.OpenFeedback(filepath.Join(folder, "d"), nil, keepAll); !errors.Is(err, reelsense.ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestOpenFeedback_TwiceAtOnce_IsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feedback")
	openQueue(t, path, keepAll)
	_, err := reelsense.OpenFeedback(path, testdata.Model(t, testdata.PacketModel), keepAll)
	if !errors.Is(err, reelsense.ErrBusy) {
		t.Error(err)
	}
}

func TestOpenFeedback_InterruptedFill_IsFilledUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feedback")
	if err := os.WriteFile(path, make([]byte, 700), 0o600); err != nil {
		t.Fatal(err)
	}
	queue := openQueue(t, path, keepAll)
	all := windows(t)
	for i := 0; i < 40; i++ {
		if _, err := queue.Add(&all[i%len(all)], reelsense.TruthVideo); err != nil {
			t.Fatal(err)
		}
	}
}

// The disk is full when the queue is made: an error then, not a bus error later. A limit on the size of files stands in
// for the disk.
func TestOpenFeedback_DiskFull_IsAnError(t *testing.T) {
	if os.Getenv("REELSENSE_TEST_CHILD") == "full" {
		limit := syscall.Rlimit{Cur: 4096, Max: 4096}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
		path := os.Getenv("REELSENSE_TEST_FILE")
		_, err := reelsense.OpenFeedback(path, testdata.Model(t, testdata.PacketModel), keepAll)
		if !errors.Is(err, syscall.EFBIG) {
			t.Fatalf("%v, EFBIG expected", err)
		}
		return
	}
	child(t, "full", "TestOpenFeedback_DiskFull_IsAnError", func(command *exec.Cmd) {
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestFeedback_KilledProcess_LosesNothing(t *testing.T) {
	if os.Getenv("REELSENSE_TEST_CHILD") == "killed" {
		queue := openQueue(t, os.Getenv("REELSENSE_TEST_FILE"), keepAll)
		all := windows(t)
		for i := 0; i < 50; i++ {
			if _, err := queue.Add(&all[i%len(all)], reelsense.TruthVideo); err != nil {
				t.Fatal(err)
			}
		}
		fmt.Println("added", queue.Len())
		select {} // until it is killed
	}
	var path string
	child(t, "killed", "TestFeedback_KilledProcess_LosesNothing", func(command *exec.Cmd) {
		for _, variable := range command.Env {
			if strings.HasPrefix(variable, "REELSENSE_TEST_FILE=") {
				path = strings.TrimPrefix(variable, "REELSENSE_TEST_FILE=")
			}
		}
		out, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		_ = command.Process.Kill()
		_ = command.Wait()
		if err != nil || line != "added 50\n" {
			t.Fatalf("the child said %q, %v", line, err)
		}
	})
	if queue := openQueue(t, path, keepAll); queue.Len() != 50 || queue.Lost() != 0 {
		t.Errorf("%d records are there, %d lost", queue.Len(), queue.Lost())
	}
}

// child runs one test of this binary in a process of its own.
func child(t *testing.T, role, test string, run func(*exec.Cmd)) {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	command.Env = append(os.Environ(), "REELSENSE_TEST_CHILD="+role,
		"REELSENSE_TEST_FILE="+filepath.Join(t.TempDir(), "feedback"))
	run(command)
}

func TestFeedback_ManyGoroutines_NothingLost(t *testing.T) {
	queue := openQueue(t, filepath.Join(t.TempDir(), "feedback"), reelsense.FeedbackOptions{Records: 1000, Sample: 1})
	all := windows(t)
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := 0; i < 100; i++ {
				if _, err := queue.Add(&all[i%len(all)], reelsense.TruthUnknown); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	if queue.Len() != 800 {
		t.Errorf("%d records, 800 were added", queue.Len())
	}
}
