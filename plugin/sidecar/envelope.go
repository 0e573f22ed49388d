package sidecar

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// committed are the fields of an ExecutionPayloadEnvelope that a field of the block's bid commits to.
var committed = []struct{ envelope, bid string }{
	{"message.builder_index", "builder_index"},
	{"message.payload.parent_hash", "parent_block_hash"},
	{"message.payload.block_hash", "block_hash"},
	{"message.payload.prev_randao", "prev_randao"},
	{"message.payload.gas_limit", "gas_limit"},
}

// checkEnvelope is verify_execution_payload_envelope of the specs without what needs a state or an execution engine:
// the signature, the withdrawals, and that the block hash is that of the payload.
func (v *verifier) checkEnvelope(b *block, given *beacon.ExecutionPayloadEnvelope) error {
	if given.Fork != b.Fork {
		return fmt.Errorf("%w: of %v, the block is of %v", ErrFork, given.Fork, b.Fork)
	}
	e, err := beacon.DecodeExecutionPayloadEnvelope(v.network, given.Chunk)
	switch {
	case err != nil:
		return err
	case e.Slot != given.Slot || e.BlockRoot != given.BlockRoot:
		return ErrFields
	case e.Slot != b.Slot || e.BlockRoot != b.Root:
		return ErrBlock
	}
	t, err := v.network.TypeOf(e.Fork, "SignedExecutionPayloadEnvelope")
	if err != nil {
		return err
	}
	var parent, timestamp, requests []byte
	has := map[string]*[]byte{
		"message.parent_beacon_block_root": &parent, "message.payload.timestamp": &timestamp,
		"message.execution_requests": &requests,
	}
	for _, c := range committed {
		has[c.envelope] = new([]byte)
	}
	if err := parts(t.Shape(), e.SSZ, has); err != nil {
		return err
	}
	for _, c := range committed {
		if !bytes.Equal(*has[c.envelope], *b.bid[c.bid]) {
			return fmt.Errorf("%w: %s is not its %s", ErrBid, c.envelope, c.bid)
		}
	}
	if !bytes.Equal(parent, b.ParentRoot[:]) {
		return fmt.Errorf("%w: its parent is another", ErrBlock)
	}
	if want := v.network.TimeAt(b.Slot).Unix(); binary.LittleEndian.Uint64(timestamp) != uint64(want) {
		return fmt.Errorf("%w: timestamp is not that of its slot", ErrBlock)
	}
	shape, err := v.network.ShapeOf(e.Fork, "ExecutionRequests")
	if err != nil {
		return err
	}
	root, err := shape.Root(requests)
	if err == nil && !bytes.Equal(root[:], *b.bid["execution_requests_root"]) {
		err = fmt.Errorf("%w: message.execution_requests do not have its execution_requests_root", ErrBid)
	}
	return err
}
