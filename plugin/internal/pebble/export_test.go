package pebble

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func init() { retryAfter = time.Millisecond }

// OpenOn opens a database on a file system, with the smallest of caches.
func OpenOn(fs vfs.FS, path string) (*Database, error) { return open(fs, path, 1, 16) }
