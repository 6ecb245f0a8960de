package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reelsense.dev/go/internal/repo"
)

// A runner that finds every case right is only worth something if it finds a changed one wrong.
func TestRun_ChangedExpectation_Fails(t *testing.T) {
	for _, m := range []struct {
		kind, file, from, to, says string
	}{
		{"capture", "tests/golden/vectors/tcp_ends.jsonl", `"packets_up":4`, `"packets_up":5`, "packets_up"},
		{"capture", "tests/golden/vectors/tcp_ends.jsonl", `[60,2900,`, `[61,2900,`, "bins"},
		{"capture", "tests/golden/vectors/tcp_ends.jsonl", `986.6666666`, `986.6766666`, "feature 7"},
		{"capture", "tests/golden/vectors/tcp_ends.jsonl", `"reason":"end"`, `"reason":"idle"`, "reason"},
		{"capture", "tests/golden/vectors/tcp_ends.jsonl", `"client_port":40000`, `"client_port":40001`, "tuple"},
		{"socket", "tests/golden/views/vectors/socket_thresholds.csv", "a,1700000001,", "a,1700000002,", "second"},
		{"socket", "tests/golden/views/vectors/socket_thresholds.csv", ",14.5849625", ",14.5850625", "feature 0"},
		{"model", "models/reelsense-ue/1.0.0/golden.json", "0.886193", "0.887193", "probability"},
		{"decisions", "tests/conformance/decisions/reels-h3.jsonl", `"prefetch_depth":3`, `"prefetch_depth":4`, "prefetch_depth"},
		{"decisions", "tests/conformance/decisions/reels-h3.jsonl", `"label":"video"`, `"label":"non-video"`, "label"},
		{"decisions", "tests/conformance/decisions/reels-h3.jsonl", `"uncertain":true`, `"uncertain":false`, "uncertain"},
	} {
		root := t.TempDir()
		text, err := os.ReadFile(repo.Path(m.file))
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		if m.kind == "model" { // of the file's end, which holds the results
			at = strings.Index(string(text), `"probability"`)
		}
		changed := string(text[:at]) + strings.Replace(string(text[at:]), m.from, m.to, 1)
		if changed == string(text) {
			t.Fatalf("%s does not hold %s", m.file, m.from)
		}
		mirror(t, root, m.file, changed)
		err = Run(root, Case{m.kind, m.file})
		if err == nil || !strings.Contains(err.Error(), m.says) {
			t.Errorf("%s with %s for %s: %v; one that names %q expected", m.file, m.to, m.from, err, m.says)
		}
	}
	if err := Run(repo.Path(""), Case{"dance", "x"}); err == nil || !strings.Contains(err.Error(), "dance") {
		t.Error(err)
	}
}

// mirror makes a root that is the repository's but for one file.
func mirror(t *testing.T, root, file, text string) {
	t.Helper()
	link := func(path string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(repo.Path(path), filepath.Join(root, path)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"tests/golden/captures", "tests/golden/views/logs", "tests/captures"} {
		link(path)
	}
	link("models/reelsense-ue/1.0.0/model.onnx")
	path := filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
