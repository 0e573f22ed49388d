package beaconapi

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// An Object is an encoded object and the fork whose type it is, both as the node says.
type Object struct {
	Fork ssz.Fork
	SSZ  []byte
}

// Block asks for a SignedBeaconBlock.
func (c *Client) Block(ctx context.Context, id ID) (Object, error) {
	return c.object(ctx, maxBlock, nil, "/eth/v2/beacon/blocks", id)
}

// BlobSidecars asks for the blob sidecars of a block of Deneb or Electra with some indices, or for all if none are
// given. A node that does not have them answers with fewer, or with ErrNotFound.
func (c *Client) BlobSidecars(ctx context.Context, n *ssz.Network, id ID, indices ...uint64) ([]Object, error) {
	return c.sidecars(ctx, n, "/eth/v1/beacon/blob_sidecars", id, "BlobSidecar", indices)
}

// DataColumnSidecars asks for the data column sidecars of a block of Fulu or later with some indices, or for all that
// the node has if none are given.
func (c *Client) DataColumnSidecars(ctx context.Context, n *ssz.Network, id ID, indices ...uint64) ([]Object, error) {
	return c.sidecars(ctx, n, "/eth/v1/debug/beacon/data_column_sidecars", id, "DataColumnSidecar", indices)
}

// State asks for a BeaconState, which is read as it streams in: on mainnet it is hundreds of MiB. The caller closes it.
// Reading fails with ErrTooLarge after 4 GiB, which no state has.
func (c *Client) State(ctx context.Context, id ID) (ssz.Fork, io.ReadCloser, error) {
	return c.open(ctx, maxState, nil, "/eth/v2/debug/beacon/states", id)
}

// open asks for SSZ of at most limit bytes, and of the fork that the node says.
func (c *Client) open(
	ctx context.Context, limit int64, query url.Values, path string, id ID,
) (ssz.Fork, io.ReadCloser, error) {
	header, b, err := c.get(ctx, typeSSZ, limit, query, path, url.PathEscape(string(id)))
	if err != nil {
		return 0, nil, err
	}
	fork, err := ssz.ParseFork(header.Get("Eth-Consensus-Version"))
	if err != nil {
		b.Close()
		return 0, nil, fmt.Errorf("%w: Eth-Consensus-Version: %w", ErrMalformed, err)
	}
	return fork, b, nil
}

// object asks for an object of at most limit bytes.
func (c *Client) object(ctx context.Context, limit int64, query url.Values, path string, id ID) (o Object, err error) {
	fork, b, err := c.open(ctx, limit, query, path, id)
	if err != nil {
		return o, err
	}
	defer b.Close()
	o.Fork = fork
	o.SSZ, err = io.ReadAll(b)
	return o, err
}

// sidecars asks for a list of objects of a type.
func (c *Client) sidecars(
	ctx context.Context, n *ssz.Network, path string, id ID, name string, indices []uint64,
) ([]Object, error) {
	query := make(url.Values)
	for _, i := range indices {
		query.Add("indices", strconv.FormatUint(i, 10))
	}
	list, err := c.object(ctx, maxSidecars, query, path, id)
	if err != nil {
		return nil, err
	}
	t, err := n.TypeOf(list.Fork, name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return list.split(t.Shape())
}

// maxElements is the most elements of a list: blobs of a block.
const maxElements = 4096

// split returns the elements of a list, all of which are well formed.
func (o Object) split(elem *ssz.Shape) (objects []Object, err error) {
	if err := shape.List(elem, maxElements).Check(o.SSZ); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if least, most := elem.Bounds(); least == most {
		for b := range slices.Chunk(o.SSZ, least) {
			objects = append(objects, Object{o.Fork, b})
		}
		return objects, nil
	}
	// The offsets of the elements are in front of them.
	end := len(o.SSZ)
	for at := firstOffset(o.SSZ) - 4; at >= 0; at -= 4 {
		begin := int(binary.LittleEndian.Uint32(o.SSZ[at:]))
		objects = append(objects, Object{o.Fork, o.SSZ[begin:end]})
		end = begin
	}
	slices.Reverse(objects)
	return objects, nil
}

// firstOffset returns where the first element of a list begins.
func firstOffset(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b))
}
