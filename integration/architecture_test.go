package integration_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files and packages that the page on the architecture names are there, the way of a request has at most twelve
// files, and no package is missing.
func TestArchitectureIsAsThePageSays(t *testing.T) {
	text, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	named := regexp.MustCompile("`((?:protocols|limits|plugin|cmd|ssz|snappy|internal|integration)(?:/[\\w./]+)?)`").FindAllStringSubmatch(page, -1)
	for _, m := range named {
		if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
			t.Errorf("%s is named: %v", m[1], err)
		}
	}
	if files := regexp.MustCompile("(?m)^\\| \\d+ \\| `").FindAllString(page, -1); len(files) == 0 || len(files) > 12 {
		t.Errorf("the way of a request has %d files, want at most 12", len(files))
	}
	for _, dir := range packages(t) {
		if !strings.Contains(page, dir) {
			t.Errorf("package %s is not named", dir)
		}
	}
}

// packages returns the directories of packages that others may import, at most two below the module's.
func packages(t *testing.T) (dirs []string) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(filepath.ToSlash(path), "../")
		switch {
		case err != nil || !d.IsDir() || path == "..":
			return err
		case strings.HasPrefix(d.Name(), "."), d.Name() == "internal", d.Name() == "testdata", rel == "integration",
			d.Name() == "devchain", strings.HasPrefix(rel, "ssz/"), strings.Count(rel, "/") > 1:
			return fs.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			dirs = append(dirs, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}
