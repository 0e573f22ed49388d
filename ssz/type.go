package ssz

import (
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A Type is a container or a message of the consensus specs, as a fork and a preset define it. It
// comes from [Network.TypeOf], is immutable, and may be used concurrently; the zero Type is none.
type Type struct {
	name  string
	fork  Fork
	shape *Shape
	zero  func() Object // returns a new zero object
}

// Name returns the name that the specs have for the type in every fork, such as
// SignedBeaconBlock. Versions of messages are part of it, as in StatusV2.
func (t Type) Name() string { return t.name }

// Fork returns the fork that has introduced this version of the type.
func (t Type) Fork() Fork { return t.fork }

// Shape returns the shape of the type.
func (t Type) Shape() *Shape { return t.shape }

// Decode checks b against the shape of the type and decodes it into a new object. The error is a
// [*CheckError] if b is not the encoding of a value. The result shares no memory with b.
func (t Type) Decode(b []byte) (Object, error) {
	if err := t.shape.Check(b); err != nil {
		return nil, err
	}
	object := t.zero()
	if err := object.UnmarshalSSZ(b); err != nil {
		return nil, fmt.Errorf("ssz: %s of %v, %d bytes: %w", t.name, t.fork, len(b), err)
	}
	return object, nil
}

// TypeOf returns the type that a name has in a fork: a container that Req/Resp carries or a part of
// one, or a message. Names may be in any case. A type that a fork has not changed is that of the
// fork before.
//
// Requests that are lists, whose limits depend on the network, are no such types: see
// [Network.ShapeOf]. The error wraps [ErrType] if nothing has the name, or [ErrFork] if only later
// forks have it.
func (n *Network) TypeOf(fork Fork, name string) (Type, error) {
	if fork > Heze {
		return Type{}, fmt.Errorf("%w: %v: want %v to %v", ErrFork, fork, Phase0, Heze)
	}
	var first *typeVersion
	var found Type
	for _, versions := range [][]typeVersion{messageTypes, containerTypes} {
		for i := range versions {
			v := &versions[i]
			if !strings.EqualFold(v.name, name) {
				continue
			}
			if first == nil {
				first = v
			}
			if v.fork <= fork {
				of := v.of[n.cfg.Preset]
				found = Type{v.name, v.fork, of.shape(), of.zero}
			}
		}
	}
	switch {
	case first == nil:
		return Type{}, fmt.Errorf("%w: %q: want one such as SignedBeaconBlock", ErrType, name)
	case found.zero == nil:
		return Type{}, fmt.Errorf("%w: there is no %s in %v: %v has introduced it", ErrFork, first.name, fork, first.fork)
	}
	if found.shape == (*containers.SignedInclusionList)(nil).Shape() {
		found.shape = n.inclusionList
	}
	return found, nil
}

// A typeVersion is a type from a fork on, until the next version.
type typeVersion struct {
	name string
	fork Fork
	of   [presetCount]goType // by preset
}

// A goType is what there is to know of the Go type of an object.
type goType struct {
	shape func() *Shape
	zero  func() Object
}

type pointer[T any] interface {
	*T
	Object
}

func goTypeOf[T any, P pointer[T]]() goType {
	return goType{P(nil).Shape, func() Object { return P(new(T)) }}
}

// shared returns a type that is the same in all presets.
func shared[T any, P pointer[T]]() (of [presetCount]goType) {
	for p := range of {
		of[p] = goTypeOf[T, P]()
	}
	return of
}

// byPreset returns a type that depends on the preset.
func byPreset[T, U, V any, P pointer[T], Q pointer[U], R pointer[V]]() [presetCount]goType {
	return [presetCount]goType{
		MainnetPreset: goTypeOf[T, P](), MinimalPreset: goTypeOf[U, Q](), GnosisPreset: goTypeOf[V, R](),
	}
}

// messageTypes are the messages that have a type of their own, and the forks of their protocols.
var messageTypes = []typeVersion{
	{"StatusV1", Phase0, shared[StatusV1]()},
	{"StatusV2", Fulu, shared[StatusV2]()},
	{"Ping", Phase0, shared[Ping]()},
	{"Goodbye", Phase0, shared[Goodbye]()},
	{"MetaDataV1", Phase0, shared[MetaDataV1]()},
	{"MetaDataV2", Altair, shared[MetaDataV2]()},
	{"MetaDataV3", Fulu, shared[MetaDataV3]()},
	{"BeaconBlocksByRangeRequest", Phase0, shared[BeaconBlocksByRangeRequest]()},
	{"BeaconBlocksByHeadRequest", Fulu, shared[BeaconBlocksByHeadRequest]()},
	{"BlobSidecarsByRangeRequest", Deneb, shared[BlobSidecarsByRangeRequest]()},
	{"BlobIdentifier", Deneb, shared[BlobIdentifier]()},
	{"DataColumnSidecarsByRangeRequest", Fulu, shared[DataColumnSidecarsByRangeRequest]()},
	{"DataColumnsByRootIdentifier", Fulu, shared[DataColumnsByRootIdentifier]()},
	{"LightClientBootstrapRequest", Altair, shared[LightClientBootstrapRequest]()},
	{"LightClientUpdatesByRangeRequest", Altair, shared[LightClientUpdatesByRangeRequest]()},
	{"ExecutionPayloadEnvelopesByRangeRequest", Gloas, shared[ExecutionPayloadEnvelopesByRangeRequest]()},
	{"InclusionListsByIndicesRequest", Heze, shared[InclusionListsByIndicesRequest]()},
}
