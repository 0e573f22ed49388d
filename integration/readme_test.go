package integration_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's Go code stands, line by line, in an example that compiles.
func TestReadmeCodeIsCompiled(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	compiled := exampleCode(t)
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(snippets) < 3 {
		t.Fatalf("README has %d snippets of Go, want at least 3", len(snippets))
	}
	for _, snippet := range snippets {
		if code := unindent(string(snippet[1])); !strings.Contains(compiled, code) {
			t.Errorf("in no example:\n%s", snippet[1])
		}
	}
}

func exampleCode(t *testing.T) string {
	files, err := filepath.Glob("../*/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	deeper, err := filepath.Glob("../*/*/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range append(files, deeper...) {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(unindent(string(code)))
	}
	return all.String()
}

func unindent(code string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(code, "")
}
