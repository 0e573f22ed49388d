package ssz

import (
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// A listRequest is a request that is a list.
type listRequest struct {
	name  string
	fork  Fork // of its protocol
	elem  *Shape
	limit func(*Config, Fork) uint64
}

var listRequests = []listRequest{
	{"BeaconBlocksByRootRequest", Phase0, shape.ByteVector(32), (*Config).maxRequestBlocks},
	{"BlobSidecarsByRootRequest", Deneb, shapeBlobIdentifier, (*Config).ComputeMaxRequestBlobSidecars},
	{"DataColumnSidecarsByRootRequest", Fulu, shapeDataColumnsByRootIdentifier, (*Config).maxRequestBlocks},
	{"ExecutionPayloadEnvelopesByRootRequest", Gloas, shape.ByteVector(32), (*Config).maxRequestPayloads},
}

// ShapeOf returns the shape of the type that a name has in a fork: of what [Network.TypeOf] knows,
// and of requests that are lists, such as BeaconBlocksByRootRequest, with the limit that the
// network's configuration sets. Its error is that of [Network.TypeOf].
func (n *Network) ShapeOf(fork Fork, name string) (*Shape, error) {
	for _, r := range listRequests {
		if !strings.EqualFold(r.name, name) {
			continue
		}
		if fork < r.fork || fork > Heze {
			return nil, fmt.Errorf("%w: %s in %v: want %v to %v", ErrFork, r.name, fork, r.fork, Heze)
		}
		return shape.List(r.elem, r.limit(&n.cfg, fork)).Named(r.name), nil
	}
	t, err := n.TypeOf(fork, name)
	if err != nil {
		return nil, err
	}
	return t.Shape(), nil
}

func (c *Config) maxRequestBlocks(f Fork) uint64 {
	if f >= Deneb {
		return c.MaxRequestBlocksDeneb
	}
	return c.MaxRequestBlocks
}

func (c *Config) maxRequestPayloads(Fork) uint64 { return c.MaxRequestPayloads }
