// Package servertest runs a real reelsense-server for tests.
package servertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"reelsense.dev/go/internal/repo"
)

const (
	startTime = 120 * time.Second // a machine that compiles beside the tests is slow
	stopTime  = 60 * time.Second
)

// Server is a running one on free ports of loopback.
type Server struct {
	REST string // "http://127.0.0.1:…"
	GRPC string // "127.0.0.1:…"

	command *exec.Cmd
	ended   chan struct{} // closed when the process is gone
	result  error         // then
}

// Binary is $REELSENSE_SERVER, or what the checkout's builds made; empty if there is none.
func Binary() string {
	if path := os.Getenv("REELSENSE_SERVER"); path != "" {
		return path
	}
	for _, preset := range []string{"dev", "release"} {
		path := repo.Path("build/" + preset + "/bin/reelsense-server")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// Start starts a server with more flags, and stops it when the test ends. Without a server the test is skipped, and says so.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	binary := Binary()
	if binary == "" {
		t.Skip("SKIPPED, NOT RUN: there is no reelsense-server; make server, or set REELSENSE_SERVER")
	}
	folder := t.TempDir()
	command := exec.Command(binary, append([]string{"--http.listen", "127.0.0.1:0", "--grpc.listen", "127.0.0.1:0",
		"--log.file", filepath.Join(folder, "log.sqlite"), "--logging.format", "json",
		"--models.path", repo.Path("models")}, flags...)...)
	command.Dir = folder
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "REELSENSE") {
			command.Env = append(command.Env, variable)
		}
	}
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Server{command: command, ended: make(chan struct{})}
	serving := make(chan [2]int, 1)
	lines := make(chan string, 1)
	go func() {
		lines <- follow(bufio.NewScanner(log), serving)
		s.result = command.Wait()
		close(s.ended)
	}()
	t.Cleanup(s.Stop)
	select {
	case ports := <-serving:
		s.REST = fmt.Sprintf("http://127.0.0.1:%d", ports[0])
		s.GRPC = fmt.Sprintf("127.0.0.1:%d", ports[1])
	case text := <-lines:
		<-s.ended
		t.Fatalf("%s ended before it served: %v\n%s", binary, s.result, text)
	case <-time.After(startTime):
		t.Fatalf("%s does not serve after %v", binary, startTime)
	}
	return s
}

// follow reads the log to its end, tells the ports, and gives what it read.
func follow(log *bufio.Scanner, serving chan<- [2]int) string {
	var text strings.Builder
	for log.Scan() {
		if text.Len() < 64<<10 {
			text.WriteString(log.Text() + "\n")
		}
		var entry struct {
			Event    string `json:"event"`
			HTTPPort int    `json:"http_port"`
			GRPCPort int    `json:"grpc_port"`
		}
		if json.Unmarshal(log.Bytes(), &entry) == nil && entry.Event == "serving" {
			serving <- [2]int{entry.HTTPPort, entry.GRPCPort}
		}
	}
	return text.String()
}

// Stop ends the server. A second Stop does nothing.
func (s *Server) Stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(stopTime):
		_ = s.command.Process.Kill()
		<-s.ended
	}
	s.command = nil
}
