package plugin

import (
	"fmt"
	"path/filepath"

	"github.com/shirou/gopsutil/disk"
)

// minFree is how many bytes a volume has free at least when a database is opened on it: what Pebble may write before
// it is open. That is less than store.Reserve, so that what a full disk has paused can be started again.
const minFree = 32 << 20

// checkSpace fails if the volume of a database has less than want bytes free. Where that cannot be known the database
// has to say what is wrong.
func checkSpace(path string, want uint64) error {
	free, err := freeSpace(path)
	if err != nil || free >= want {
		return nil
	}
	return fmt.Errorf("%s: %d MiB are free on its volume, want at least %d", path, free>>20, want>>20)
}

// freeSpace returns how many bytes are free on the volume of a database: that of its directory, which may be
// a volume or a link to one, or of the parent if it is new.
func freeSpace(path string) (uint64, error) {
	usage, err := disk.Usage(path)
	if err != nil {
		usage, err = disk.Usage(filepath.Dir(path))
	}
	if err != nil {
		return 0, err
	}
	return usage.Free, nil
}
