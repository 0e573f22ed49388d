package plugin

import (
	"fmt"
	"path/filepath"

	"github.com/shirou/gopsutil/disk"
)

// minFree is how many bytes a volume has free at least when a database is opened on it. On one that is full
// Pebble neither opens nor fails: it tries again without a pause, and no signal ends that.
const minFree = 64 << 20

// checkSpace fails if the volume of a database has less than want bytes free: that of its directory, which may be
// a volume or a link to one, or of the parent if it is new. Where that cannot be known the database has to
// say what is wrong.
func checkSpace(path string, want uint64) error {
	usage, err := disk.Usage(path)
	if err != nil {
		usage, err = disk.Usage(filepath.Dir(path))
	}
	if err != nil || usage.Free >= want {
		return nil
	}
	return fmt.Errorf("%s: %d MiB are free on its volume, want at least %d", path, usage.Free>>20, want>>20)
}
