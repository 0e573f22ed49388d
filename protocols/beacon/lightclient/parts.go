package lightclient

import (
	"bytes"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// typeNames are the names that the specs have for the kinds.
var typeNames = map[beacon.Kind]string{
	beacon.KindLightClientBootstrap:        "LightClientBootstrap",
	beacon.KindLightClientUpdate:           "LightClientUpdate",
	beacon.KindLightClientFinalityUpdate:   "LightClientFinalityUpdate",
	beacon.KindLightClientOptimisticUpdate: "LightClientOptimisticUpdate",
}

// parts are the fields of a well-formed object, whose types depend on the fork and the preset.
type parts struct {
	network *ssz.Network
	chunk   beacon.Chunk
	t       ssz.Type
}

func newParts(n *ssz.Network, kind beacon.Kind, c beacon.Chunk) (*parts, error) {
	name, ok := typeNames[kind]
	if !ok {
		panic(fmt.Sprintf("lightclient: %v: want a kind of objects for light clients", kind))
	}
	t, err := n.TypeOf(c.Fork, name)
	if err != nil {
		return nil, malformed(err)
	}
	if err := t.Shape().Check(c.SSZ); err != nil {
		return nil, malformed(err)
	}
	return &parts{n, c, t}, nil
}

// of returns the encoding of a field.
func (p *parts) of(field string) []byte {
	b := p.chunk.SSZ
	at, size, err := p.t.Shape().Find(bytes.NewReader(b), int64(len(b)), field)
	if err != nil {
		panic(err) // the object is well formed
	}
	return b[at : at+size : at+size]
}

func (p *parts) header(field string) (lightClientHeader, error) {
	h, err := decodeHeader(p.network, p.chunk.Fork, p.of(field))
	return h, malformed(err)
}

func (p *parts) committee(field string) (*committee, error) {
	c, err := decodeCommittee(p.network, p.of(field))
	return c, malformed(err)
}

// checkFork checks that the object is of the fork of its slot.
func (p *parts) checkFork(slot ssz.Slot) error {
	if fork := p.network.ForkAt(p.network.EpochOf(slot)); fork != p.chunk.Fork {
		return violation(ErrMalformed, "a %s of %v for slot %d, which is of %v", p.t.Name(), p.chunk.Fork, slot, fork)
	}
	return nil
}

func malformed(err error) error {
	if err == nil {
		return nil
	}
	return violation(ErrMalformed, "%v", err)
}
