package beacontest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"errors"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

//go:embed testdata/fulu.tar.gz
var fuluArchive []byte

// fuluFiles is what the archive of the chain holds. Objects are SSZ, in the order of their slots.
type fuluFiles struct {
	config      string
	blocks      [][]byte
	blobs       map[[48]byte]*blob  // by commitment
	lightClient map[string][][]byte // by kind, such as "bootstrap"
}

// readFulu reads the archive once. It panics if it is damaged, as it is a part of the program.
var readFulu = sync.OnceValue(func() *fuluFiles {
	z, err := gzip.NewReader(bytes.NewReader(fuluArchive))
	if err != nil {
		panic(err)
	}
	f := &fuluFiles{blobs: make(map[[48]byte]*blob), lightClient: make(map[string][][]byte)}
	for archive := tar.NewReader(z); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			panic(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			panic(err)
		}
		f.add(path.Dir(header.Name), content)
	}
})

// add adds a file of a directory.
func (f *fuluFiles) add(dir string, content []byte) {
	kind, light := strings.CutPrefix(dir, "light_client_")
	switch {
	case light:
		f.lightClient[kind] = append(f.lightClient[kind], content)
	case dir == "block":
		f.blocks = append(f.blocks, content)
	case dir == "blob":
		b := new(blob)
		if _, err := binary.Decode(content, binary.LittleEndian, b); err != nil {
			panic(err)
		}
		f.blobs[b.Commitment] = b
	default:
		f.config = string(content)
	}
}

// blobsOf returns the blobs that a block commits to.
func (f *fuluFiles) blobsOf(b ssz.SignedBlock) (blobs []*blob) {
	for _, commitment := range field(b, "Message.Body.BlobKZGCommitments").Interface().([][48]byte) {
		blobs = append(blobs, f.blobs[commitment])
	}
	return blobs
}

// lightClientItems returns the items of some objects for light clients of Capella or later. All begin with the offset
// of the header that decides their digest, and that with its slot.
func lightClientItems(objects [][]byte) (items []*Item) {
	for _, b := range objects {
		slot := binary.LittleEndian.Uint64(b[binary.LittleEndian.Uint32(b):])
		items = append(items, newItem(ssz.Slot(slot), ssz.Root{}, 0, b))
	}
	return items
}
