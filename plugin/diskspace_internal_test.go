package plugin

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

func TestDatabaseIsNotOpenedOnAFullVolume(t *testing.T) {
	dir := t.TempDir()
	if err := checkSpace(dir, 1); err != nil {
		t.Errorf("a byte is wanted: %v", err)
	}
	if err := checkSpace(dir, math.MaxUint64); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("more than there is: error %v, want one that names %s", err, dir)
	}
	if err := checkSpace(filepath.Join(dir, "none"), math.MaxUint64); err != nil {
		t.Errorf("a directory that there is not: %v", err)
	}
}
