package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const sszDir = "../.."

// The code that is checked in is what the definitions generate.
func TestGeneratedCodeIsCurrent(t *testing.T) {
	out := t.TempDir()
	for _, p := range targets {
		if err := os.MkdirAll(filepath.Join(out, p.dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// fastssz's generator reads these beside what it generates for.
	for _, path := range []string{"types.go", "containers/doc.go", "mainnet/doc.go", "minimal/doc.go", "gnosis/doc.go"} {
		if err := os.WriteFile(filepath.Join(out, path), read(t, filepath.Join(sszDir, path)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(filepath.Join(sszDir, "definitions"), out); err != nil {
		t.Fatal(err)
	}
	if got, want := generated(t, out), generated(t, sszDir); len(got) != len(want) || len(got) == 0 {
		t.Errorf("%d files generated, %d checked in", len(got), len(want))
	}
	for _, path := range generated(t, sszDir) {
		if !bytes.Equal(read(t, filepath.Join(out, path)), read(t, filepath.Join(sszDir, path))) {
			t.Errorf("%s is out of date: run go generate ./ssz", path)
		}
	}
}

// generated lists the generated files below dir.
func generated(t *testing.T, dir string) []string {
	var paths []string
	for _, p := range targets {
		found, err := filepath.Glob(filepath.Join(dir, p.dir, "*_generated.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			path, err = filepath.Rel(dir, path)
			if err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	return paths
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMalformedDefinitions(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no container":     "a: uint64\n",
		"no field":         "container A\n\tnonsense\n",
		"no type":          "container A\n\ta: List[\n",
		"no length":        "container A\n\ta: List[]\n",
		"unknown type":     "container A\n\ta: Unknown\n",
		"unknown constant": "container A\n\ta: ByteVector[UNKNOWN]\n",
		"unknown operator": "container A\n\ta: ByteVector[8 / 2]\n",
		"literal type":     "container A\n\ta: 7\n",
		"bad alias":        "A = [\n",
		"bad bound":        "container A over 9 bytes\n",
		"bound of nothing": "container A up to 9\n",
		"unknown bound":    "container A up to UNKNOWN bytes\n\ta: uint64\n",
		"list of nothing":  "container A\n\ta: ProgressiveList[]\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "a.containers"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := resolveForks(dir, []string{"a"}, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := resolveForks(t.TempDir(), []string{"missing"}, nil); err == nil {
		t.Error("missing file: no error")
	}
}
