package ssz_test

import (
	"testing"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/gnosis"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

// A payload of Gnosis has at most 8 withdrawals, one of mainnet 16. Their encoding is the same, their
// root is not.
func TestWithdrawalsOfGnosis(t *testing.T) {
	t.Parallel()
	of := networkOf(ssz.GnosisPreset)
	for n, want := range map[int]error{8: nil, 9: ssz.ErrLimit} {
		block := mainnet.SignedBeaconBlockElectra{}
		for range n {
			withdrawals := &block.Message.Body.ExecutionPayload.Withdrawals
			*withdrawals = append(*withdrawals, new(containers.Withdrawal))
		}
		b, err := block.MarshalSSZ()
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := of.DecodeBlock(ssz.Electra, b)
		if want != nil {
			if !isCheckError(err, "message.body.execution_payload.withdrawals", want) {
				t.Errorf("%d withdrawals: error %v, want %v", n, err, want)
			}
			continue
		}
		if _, ok := decoded.(*gnosis.SignedBeaconBlockElectra); !ok || err != nil {
			t.Errorf("%d withdrawals: %T, error %v", n, decoded, err)
		}
		here, err := of.BlockRoot(ssz.Electra, b)
		if err != nil {
			t.Error(err)
		}
		if there, err := ssz.Mainnet().BlockRoot(ssz.Electra, b); err != nil || there == here {
			t.Errorf("root %v in either preset, error %v", there, err)
		}
	}
}
