package beacon

import (
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// What the codec needs of a message. All those of ssz have it.
type (
	marshaler interface {
		MarshalSSZTo(dst []byte) ([]byte, error)
	}
	unmarshaler interface {
		UnmarshalSSZ(b []byte) error
	}
)

// appendMessage appends the length and the frames of a message, and returns the SSZ length too.
// Messages are small and few, so the detour over a slice of their own is good enough.
func appendMessage(dst []byte, msg marshaler) ([]byte, int, error) {
	b, err := msg.MarshalSSZTo(nil)
	if err != nil {
		return nil, 0, err
	}
	dst = snappy.AppendHeader(dst, len(b))
	return snappy.AppendFrames(dst, b), len(b), nil
}

// readMessage reads the length and the frames of a message and decodes it, once its
// bytes were held against the shape: fastssz alone would believe them. It returns the SSZ length.
func readMessage(r reqresp.Reader, limit int, shape *ssz.Shape, msg unmarshaler) (int, error) {
	least, most := shape.Bounds()
	n, err := snappy.ReadHeader(r, snappy.Bounds{Min: least, Max: min(most, limit)})
	if err != nil {
		return 0, noEOF(err)
	}
	b, err := snappy.AppendPayload(nil, r, n)
	if err != nil {
		return 0, err
	}
	if err := shape.Check(b); err != nil {
		return 0, err
	}
	return n, msg.UnmarshalSSZ(b)
}
