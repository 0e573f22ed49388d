package pebble

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-2dd5877b/reqresp/internal/atomicfile"
)

// outlineName is the file in which Close keeps the database's outline. Pebble takes no notice of it.
const outlineName = "OUTLINE"

// tailSize is how much of the end of a table is in the outline: more than its footer.
const tailSize = 64

// An outline is what all of a database hangs by, small as it is: the files that say which tables there are, and the
// footers of these. Damage to a byte of it would cost whole tables, and may even go unnoticed, as
// Pebble takes a damaged end of its manifest for one that was never finished.
type outline struct {
	Files map[string][]byte `json:"files"` // by their names, with all they hold
	Data  map[string]extent `json:"data"`  // tables and logs
}

// An extent is a file that is too large to be kept twice.
type extent struct {
	Size int64  `json:"size"`
	Tail []byte `json:"tail"`
}

// readOutline reads the outline of a database that is closed.
func readOutline(dir string) (*outline, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	o := &outline{Files: make(map[string][]byte), Data: make(map[string]extent)}
	for _, entry := range entries {
		name, path := entry.Name(), filepath.Join(dir, entry.Name())
		var err error
		switch ext := filepath.Ext(name); {
		case ext == ".sst" || ext == ".log":
			o.Data[name], err = readExtent(path)
		case strings.HasPrefix(name, "MANIFEST-"), strings.HasPrefix(name, "OPTIONS-"), strings.HasPrefix(name, "marker."):
			o.Files[name], err = os.ReadFile(path)
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

func readExtent(path string) (e extent, err error) {
	f, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return e, err
	}
	e = extent{Size: info.Size(), Tail: make([]byte, min(tailSize, info.Size()))}
	_, err = f.ReadAt(e.Tail, e.Size-int64(len(e.Tail)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return e, err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// keepOutline writes the outline of a database that has just been closed.
func keepOutline(dir string) error {
	o, err := readOutline(dir)
	if err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	text = binary.BigEndian.AppendUint32(text, crc32.Checksum(text, castagnoli))
	return atomicfile.Write(filepath.Join(dir, outlineName), text)
}

// restoreOutline puts back what was damaged since the database was closed. It does nothing if the database was used
// since, or if there is no sound outline: then it is for Pebble to say what is wrong.
func restoreOutline(dir string) error {
	kept := keptOutline(dir)
	if kept == nil {
		return nil
	}
	now, err := readOutline(dir)
	if err != nil {
		return err
	}
	if len(now.Data) != len(kept.Data) {
		return nil
	}
	for name, e := range kept.Data {
		if there, ok := now.Data[name]; !ok || there.Size != e.Size {
			return nil
		}
	}
	for name := range now.Files {
		if _, ok := kept.Files[name]; !ok {
			return nil
		}
	}
	for name, content := range kept.Files {
		if there, ok := now.Files[name]; ok && bytes.Equal(there, content) {
			continue
		}
		if err := atomicfile.Write(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	for name, e := range kept.Data {
		if !bytes.Equal(now.Data[name].Tail, e.Tail) {
			if err := writeTail(filepath.Join(dir, name), e); err != nil {
				return err
			}
		}
	}
	return nil
}

// keptOutline returns the outline that was kept, nil if it is not as it was written.
func keptOutline(dir string) *outline {
	text, err := os.ReadFile(filepath.Join(dir, outlineName))
	if err != nil || len(text) < 4 {
		return nil
	}
	text, sum := text[:len(text)-4], binary.BigEndian.Uint32(text[len(text)-4:])
	var o outline
	if crc32.Checksum(text, castagnoli) != sum || json.Unmarshal(text, &o) != nil {
		return nil
	}
	return &o
}

// forgetOutline removes the outline of a database that is about to change.
func forgetOutline(dir string) error {
	err := os.Remove(filepath.Join(dir, outlineName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func writeTail(path string, e extent) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(e.Tail, e.Size-int64(len(e.Tail)))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
