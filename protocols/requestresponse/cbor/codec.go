package cbor

import (
	"bytes"
	"fmt"
	"io"
	"math"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Codec lays every message out as one CBOR data item that ends with its stream.
// The zero value is ready.
type Codec struct{}

var _ reqresp.WholeStreamCodec = Codec{}

// Name implements reqresp.Codec. It is empty: the protocol names of rust-libp2p
// do not tell the codec.
func (Codec) Name() string { return "" }

// WholeStream implements reqresp.WholeStreamCodec.
func (Codec) WholeStream() {}

// AppendRequest implements reqresp.Codec.
func (Codec) AppendRequest(dst []byte, _ protocol.ID, req any) ([]byte, error) {
	return appendItem(dst, req)
}

// ReadRequest implements reqresp.Codec. A request that is too long fails with an
// error that wraps reqresp.ErrTooLarge, one that is cut off with io.ErrUnexpectedEOF.
func (Codec) ReadRequest(r reqresp.Reader, _ protocol.ID, limit int, req any) error {
	err := readItem(r, limit, req)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// AppendResponse implements reqresp.Codec.
func (Codec) AppendResponse(dst []byte, _ protocol.ID, resp any) ([]byte, error) {
	return appendItem(dst, resp)
}

// ReadResponse implements reqresp.Codec. It fails as ReadRequest does, but for an
// empty stream, which is io.EOF.
func (Codec) ReadResponse(r reqresp.Reader, _ protocol.ID, limit int, resp any) error {
	return readItem(r, limit, resp)
}

func appendItem(dst []byte, msg any) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	if err := encMode.MarshalToBuffer(msg, buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func readItem(r io.Reader, limit int, msg any) error {
	return reqresp.ReadWhole(r, limit, func(data []byte) error {
		if err := check(data); err != nil {
			return err
		}
		// What follows the item is ignored.
		_, err := decMode.UnmarshalFirst(data, msg)
		if err == io.ErrUnexpectedEOF {
			return fmt.Errorf("cbor: %w", err)
		}
		return err
	})
}

// encMode writes what cbor4ii does and, where that is strict, what it can read.
// The field order is that of declaration, lengths are definite.
var encMode = must(cbor.EncOptions{
	// A float has the width of its type: neither value nor NaN nor infinity
	// makes it shorter.
	ShortestFloat: cbor.ShortestFloatNone,
	NaNConvert:    cbor.NaNConvertNone,
	InfConvert:    cbor.InfConvertNone,
	// There are no nil vectors and maps in Rust: null is an Option.
	NilContainers: cbor.NilContainerAsEmpty,
	// [u8; N] is an array as any other.
	ByteArray: cbor.ByteArrayToArray,
}.UserBufferEncMode())

// decMode reads what encMode and cbor4ii write. Before anything is decoded it checks that
// every item claimed is there, so that the numbers of elements need no bound beside
// that of the message's size. See also check.
var decMode = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	MaxNestedLevels:   maxDepth,
	MaxArrayElements:  math.MaxInt32,
	MaxMapPairs:       math.MaxInt32,
	SimpleValues:      simpleValues(),
}.DecMode())

// simpleValues leaves false, true, null and undefined. The library takes others for
// integers.
func simpleValues() *cbor.SimpleValueRegistry {
	var others []func(*cbor.SimpleValueRegistry) error
	for v := range 256 {
		if v < 20 || v >= 32 { // 20 to 23 are the four, up to 31 there are none
			others = append(others, cbor.WithRejectedSimpleValue(cbor.SimpleValue(v)))
		}
	}
	return must(cbor.NewSimpleValueRegistryFromDefaults(others...))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
