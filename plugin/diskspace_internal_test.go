package plugin

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shirou/gopsutil/disk"
)

func TestDatabaseIsNotOpenedOnAFullVolume(t *testing.T) {
	dir := t.TempDir()
	if err := checkSpace(dir, 1); err != nil {
		t.Errorf("a byte is wanted: %v", err)
	}
	if err := checkSpace(dir, math.MaxUint64); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("more than there is: error %v, want one that names %s", err, dir)
	}
	fresh := filepath.Join(dir, "fresh")
	if err := checkSpace(fresh, math.MaxUint64); err == nil || !strings.Contains(err.Error(), fresh) {
		t.Errorf("a new one, with more than there is: error %v, want one that names %s", err, fresh)
	}
	if err := checkSpace(filepath.Join(fresh, "store"), math.MaxUint64); err != nil {
		t.Errorf("in a directory that there is not: %v", err)
	}
}

// The volume is the database's, though a link leads there from another.
func TestSpaceIsOfTheVolumeThatALinkLeadsTo(t *testing.T) {
	const empty = "/proc" // has no space at all
	if usage, err := disk.Usage(empty); err != nil || usage.Total != 0 {
		t.Skipf("%s is no volume without space: %+v, %v", empty, usage, err)
	}
	link := filepath.Join(t.TempDir(), "store")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	if err := checkSpace(link, 1); err == nil {
		t.Error("a database would be opened on a full volume")
	}
}
