package lightclient

import (
	"bytes"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
)

// A Header is a beacon block header. The zero Header stands for none, and for genesis where it is finalized.
type Header struct {
	Slot          ssz.Slot
	ProposerIndex uint64
	ParentRoot    ssz.Root
	StateRoot     ssz.Root
	BodyRoot      ssz.Root
	// Root is the hash tree root of the header, which is the block's; zero in the zero Header.
	Root ssz.Root
}

// A lightClientHeader is a LightClientHeader of any fork: a header and how the execution payload is proven.
type lightClientHeader struct {
	Header
	object  ssz.Object
	isEmpty bool // whether it is LightClientHeader()
}

// decodeHeader decodes a LightClientHeader as a fork has it.
func decodeHeader(n *ssz.Network, fork ssz.Fork, b []byte) (h lightClientHeader, err error) {
	t, err := n.TypeOf(fork, "LightClientHeader")
	if err != nil {
		return h, err
	}
	if h.object, err = t.Decode(b); err != nil {
		return h, err
	}
	empty, err := emptyHeader(fork).MarshalSSZ()
	if h.isEmpty = bytes.Equal(b, empty); h.isEmpty || err != nil {
		return h, err
	}
	var beacon containers.BeaconBlockHeader // begins the container in every fork
	if err := beacon.UnmarshalSSZ(b[:beacon.SizeSSZ()]); err != nil {
		return h, err
	}
	root, err := beacon.HashTreeRoot()
	h.Header = Header{
		Slot: ssz.Slot(beacon.Slot), ProposerIndex: beacon.ProposerIndex,
		ParentRoot: beacon.ParentRoot, StateRoot: beacon.StateRoot, BodyRoot: beacon.BodyRoot, Root: root,
	}
	return h, err
}

func emptyHeader(fork ssz.Fork) ssz.Object {
	switch {
	case fork >= ssz.Gloas:
		return new(containers.LightClientHeaderGloas)
	case fork >= ssz.Deneb:
		return new(containers.LightClientHeaderDeneb)
	case fork >= ssz.Capella:
		return new(containers.LightClientHeaderCapella)
	default:
		return new(containers.LightClientHeader)
	}
}

// verify is is_valid_light_client_header of the specs: it checks that the execution payload is that of the block. The
// type may be of a later fork than the block.
func (h *lightClientHeader) verify(n *ssz.Network) error {
	var ok bool
	switch o := h.object.(type) {
	case *containers.LightClientHeader:
		ok = true // no payload
	case *containers.LightClientHeaderCapella:
		ok = h.verifyCapella(n, o)
	case *containers.LightClientHeaderDeneb:
		ok = h.verifyDeneb(n, o)
	case *containers.LightClientHeaderGloas:
		ok = h.verifyGloas(n, o)
	}
	if !ok {
		return violation(ErrExecutionBranch, "slot %d", h.Slot)
	}
	return nil
}

func (h *lightClientHeader) verifyCapella(n *ssz.Network, o *containers.LightClientHeaderCapella) bool {
	if n.ForkAt(n.EpochOf(h.Slot)) < ssz.Capella {
		return hasNoPayload(&o.Execution, flat(o.ExecutionBranch[:]))
	}
	root, err := o.Execution.HashTreeRoot()
	return err == nil && isValidBranch(root, flat(o.ExecutionBranch[:]), executionPayloadGindex, h.BodyRoot)
}

func (h *lightClientHeader) verifyDeneb(n *ssz.Network, o *containers.LightClientHeaderDeneb) bool {
	x := &o.Execution
	if n.ForkAt(n.EpochOf(h.Slot)) >= ssz.Deneb {
		root, err := x.HashTreeRoot()
		return err == nil && isValidBranch(root, flat(o.ExecutionBranch[:]), executionPayloadGindex, h.BodyRoot)
	}
	capella := &containers.LightClientHeaderCapella{
		Beacon: o.Beacon, ExecutionBranch: o.ExecutionBranch,
		Execution: containers.ExecutionPayloadHeader{
			ParentHash: x.ParentHash, FeeRecipient: x.FeeRecipient, StateRoot: x.StateRoot, ReceiptsRoot: x.ReceiptsRoot,
			LogsBloom: x.LogsBloom, PrevRandao: x.PrevRandao, BlockNumber: x.BlockNumber, GasLimit: x.GasLimit,
			GasUsed: x.GasUsed, Timestamp: x.Timestamp, ExtraData: x.ExtraData, BaseFeePerGas: x.BaseFeePerGas,
			BlockHash: x.BlockHash, TransactionsRoot: x.TransactionsRoot, WithdrawalsRoot: x.WithdrawalsRoot,
		},
	}
	return x.BlobGasUsed == 0 && x.ExcessBlobGas == 0 && h.verifyCapella(n, capella)
}

func (h *lightClientHeader) verifyGloas(n *ssz.Network, o *containers.LightClientHeaderGloas) bool {
	gindex := uint64(executionBlockHashGindexGloas)
	switch fork := n.ForkAt(n.EpochOf(h.Slot)); {
	case fork < ssz.Capella:
		return o.ExecutionBlockHash == [32]byte{} && isZero(flat(o.ExecutionBranch[:]))
	case fork < ssz.Deneb:
		gindex = executionBlockHashGindex
	case fork < ssz.Gloas:
		gindex = executionBlockHashGindexDeneb
	}
	return isValidBranch(o.ExecutionBlockHash, flat(o.ExecutionBranch[:]), gindex, h.BodyRoot)
}

// hasNoPayload reports whether an execution payload header and its branch are zero.
func hasNoPayload(x *containers.ExecutionPayloadHeader, branch []byte) bool {
	root, err := x.HashTreeRoot()
	none, errNone := new(containers.ExecutionPayloadHeader).HashTreeRoot()
	return err == nil && errNone == nil && root == none && isZero(branch)
}

// flat returns the encoding of a branch.
func flat(branch [][32]byte) []byte {
	b := make([]byte, 0, 32*len(branch))
	for i := range branch {
		b = append(b, branch[i][:]...)
	}
	return b
}
