// Command generate writes what package capi compiles: a core_*.cc for each source file of the core, which includes it, and
// a digest of the core's text. The go command looks for changes in a package's own folder only; the digest makes it see
// those of the core.
//
//	go run ./internal/generate [-check]
package main

import (
	"bytes"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

const (
	target = "internal/capi"
	header = "// Written by internal/generate. Do not edit.\n"
)

func main() {
	check := flag.Bool("check", false, "change nothing; fail if a file is not as it would be written")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	if _, err := os.Stat(target); err != nil {
		return fmt.Errorf("%s is not there: run this in sdk/go", target)
	}
	want, err := files("../../core")
	if err != nil {
		return err
	}
	have, err := filepath.Glob(target + "/core_*")
	if err != nil {
		return err
	}
	var stale []string
	for _, path := range have {
		if _, ok := want[filepath.Base(path)]; !ok {
			stale = append(stale, path)
			if !check {
				if err := os.Remove(path); err != nil {
					return err
				}
			}
		}
	}
	for name, text := range want {
		path := filepath.Join(target, name)
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, text) {
			continue
		}
		stale = append(stale, path)
		if !check {
			if err := os.WriteFile(path, text, 0o644); err != nil {
				return err
			}
		}
	}
	if check && len(stale) > 0 {
		sort.Strings(stale)
		return fmt.Errorf("the core changed: cd sdk/go && go run ./internal/generate\n  %s", strings.Join(stale, "\n  "))
	}
	return nil
}

// files gives name → text of what belongs into target.
func files(core string) (map[string][]byte, error) {
	paths, err := filepath.Glob(core + "/*/*")
	if err != nil {
		return nil, err
	}
	public, err := filepath.Glob(core + "/include/reelsense/*/*.h")
	if err != nil {
		return nil, err
	}
	paths = append(paths, public...)
	sort.Strings(paths)
	out := map[string][]byte{}
	digest := sha256.New()
	for _, path := range paths {
		name := filepath.Base(path)
		source := strings.HasSuffix(name, ".cc") && !strings.HasSuffix(name, "_test.cc") && name != "anchor.cc"
		if !source && !strings.HasSuffix(name, ".h") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		relative, err := filepath.Rel(core, path)
		if err != nil {
			return nil, err
		}
		relative = filepath.ToSlash(relative)
		fmt.Fprintf(digest, "%s %d\n", relative, len(text))
		digest.Write(text)
		if source {
			wrapper := "core_" + strings.ReplaceAll(relative, "/", "_")
			out[wrapper] = []byte(header + "#include \"prelude.h\"\n#include \"../../../../core/" + relative + "\"\n")
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no sources in %s", core)
	}
	out["core_digest.h"] = []byte(fmt.Sprintf("%s// Of the core's text.\n#define REELSENSE_GO_CORE_DIGEST \"%x\"\n", header,
		digest.Sum(nil)))
	return out, nil
}
