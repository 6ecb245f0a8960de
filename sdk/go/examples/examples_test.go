// Package examples holds the programs that the README shows, and runs them.
package examples

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"reelsense.dev/go/internal/repo"
	"reelsense.dev/go/internal/servertest"
)

// run builds an example, runs it, and gives what it printed.
func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(binary, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What the README shows is what the other tests run.
func TestReadme_Code_IsThatOfTheExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) < 3 {
		t.Fatalf("%d blocks of Go in the README", len(blocks))
	}
	for i, block := range blocks {
		found := false
		for _, name := range []string{"quickstart", "http", "edge"} {
			text, err := os.ReadFile(name + "/main.go")
			if err != nil {
				t.Fatal(err)
			}
			found = found || strings.Contains(string(text), block[1])
		}
		if !found {
			t.Errorf("block %d of the README is in none of the examples:\n%s", i+1, block[1])
		}
	}
}

func TestQuickstart_PrintsWhatTheReadmeSays(t *testing.T) {
	out := run(t, "quickstart", repo.Path("models/reelsense-ue/1.0.0/model.onnx"), repo.Path(repo.Reels))
	if !strings.Contains(out, " video ") {
		t.Errorf("no video in a capture of reels:\n%s", out)
	}
	shown := regexp.MustCompile("(?s)```text\n(.*?)```").FindStringSubmatch(readme(t))
	if shown == nil || !strings.Contains(out, shown[1]) {
		t.Errorf("the README shows\n%v\nwhich is not in\n%s", shown, out)
	}
}

func TestHTTP_SeesTheConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 500_000))
	}))
	defer server.Close()
	out := run(t, "http", repo.Path("models/reelsense-ue-socket/1.0.0/model.onnx"), server.URL)
	if !strings.Contains(out, "200 OK: ") || !strings.Contains(out, " bytes down, ") {
		t.Error(out)
	}
}

func TestEdge_GetsLabels(t *testing.T) {
	server := servertest.Start(t)
	out := run(t, "edge", server.GRPC)
	if strings.Count(out, "phone-7 ") != 3 || strings.Contains(out, "error") {
		t.Error(out)
	}
}
