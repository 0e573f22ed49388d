package ssz

import (
	"encoding/binary"
	"math"

	fastssz "github.com/ferranbt/fastssz"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// The shapes of requests without the limit that a network puts on them.
var (
	shapeBlobIdentifiers          = shape.List(shapeBlobIdentifier, math.MaxUint64).Named("BlobSidecarsByRootRequest")
	shapeDataColumnsByIdentifiers = shape.List(shapeDataColumnsByRootIdentifier, math.MaxUint64).
					Named("DataColumnSidecarsByRootRequest")
)

// BlobSidecarsByRootRequest asks for the blob sidecars that it names. See
// [BeaconBlocksByRootRequest] for its limit and its root.
type BlobSidecarsByRootRequest []BlobIdentifier

// SizeSSZ returns the number of bytes of the encoding.
func (r *BlobSidecarsByRootRequest) SizeSSZ() int { return len(*r) * new(BlobIdentifier).SizeSSZ() }

// MarshalSSZ returns the encoding of the request.
func (r *BlobSidecarsByRootRequest) MarshalSSZ() ([]byte, error) { return fastssz.MarshalSSZ(r) }

// MarshalSSZTo appends the encoding of the request to dst.
func (r *BlobSidecarsByRootRequest) MarshalSSZTo(dst []byte) (_ []byte, err error) {
	for i := range *r {
		if dst, err = (*r)[i].MarshalSSZTo(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// UnmarshalSSZ replaces the identifiers by those in b, and keeps no reference to b. The error is a
// [*CheckError].
func (r *BlobSidecarsByRootRequest) UnmarshalSSZ(b []byte) error {
	if err := shapeBlobIdentifiers.Check(b); err != nil {
		return err
	}
	size := new(BlobIdentifier).SizeSSZ()
	identifiers := make([]BlobIdentifier, len(b)/size)
	for i := range identifiers {
		if err := identifiers[i].UnmarshalSSZ(b[i*size : (i+1)*size]); err != nil {
			return err
		}
	}
	*r = identifiers
	return nil
}

// DataColumnSidecarsByRootRequest asks for the data column sidecars that it names. See
// [BeaconBlocksByRootRequest] for its limit and its root.
type DataColumnSidecarsByRootRequest []DataColumnsByRootIdentifier

// SizeSSZ returns the number of bytes of the encoding.
func (r *DataColumnSidecarsByRootRequest) SizeSSZ() (size int) {
	for i := range *r {
		size += 4 + (*r)[i].SizeSSZ()
	}
	return size
}

// MarshalSSZ returns the encoding of the request.
func (r *DataColumnSidecarsByRootRequest) MarshalSSZ() ([]byte, error) { return fastssz.MarshalSSZ(r) }

// MarshalSSZTo appends the encoding of the request to dst.
func (r *DataColumnSidecarsByRootRequest) MarshalSSZTo(dst []byte) (_ []byte, err error) {
	offset := 4 * len(*r)
	for i := range *r {
		dst = fastssz.WriteOffset(dst, offset)
		offset += (*r)[i].SizeSSZ()
	}
	for i := range *r {
		if dst, err = (*r)[i].MarshalSSZTo(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// UnmarshalSSZ replaces the identifiers by those in b, and keeps no reference to b. The error is a
// [*CheckError].
func (r *DataColumnSidecarsByRootRequest) UnmarshalSSZ(b []byte) error {
	if err := shapeDataColumnsByIdentifiers.Check(b); err != nil {
		return err
	}
	n := 0
	if len(b) > 0 {
		n = int(binary.LittleEndian.Uint32(b)) / 4
	}
	identifiers := make([]DataColumnsByRootIdentifier, n)
	err := fastssz.UnmarshalDynamic(b, n, func(i int, part []byte) error {
		return identifiers[i].UnmarshalSSZ(part)
	})
	if err == nil {
		*r = identifiers
	}
	return err
}
