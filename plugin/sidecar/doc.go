// Package sidecar verifies what belongs to a beacon block besides itself, against the block: blob sidecars of Deneb and
// Electra, data column sidecars from Fulu on, and execution payload envelopes from Gloas on. [Verify] is what the specs
// check of them, and uses go-ethereum's KZG for the proofs; it does not verify signatures, which need a state.
//
//	err := sidecar.Verify(ctx, network, beacon.Sidecars{Block: block, Columns: columns})
//	if faults, ok := errors.AsType[sidecar.Errors](err); ok {
//		for _, fault := range faults {
//			… // penalize who has sent fault.Kind, fault.Slot, fault.Root, fault.Index
//		}
//	}
//
// KZG proofs of data columns cost least if they are verified for many blocks at once, and for the same columns of each:
// four columns of eleven blocks take less than a quarter of what they take one by one.
package sidecar
