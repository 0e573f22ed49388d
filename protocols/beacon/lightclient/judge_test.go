package lightclient_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/beacon/light"
	"github.com/ethereum/go-ethereum/beacon/merkle"
	"github.com/ethereum/go-ethereum/beacon/params"
	"github.com/ethereum/go-ethereum/beacon/types"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

// TestGoEthereumAgrees compares the verdict on each recorded signature, as it is and changed, with that of
// go-ethereum's light client. It knows the mainnet preset alone.
func TestGoEthereumAgrees(t *testing.T) {
	r := mainnetRecording()
	judge := newJudge(t, r)
	var valid, invalid int
	store := storeOf(t, r.network, r.bootstraps[0])
	for _, u := range r.all(t) {
		if u.Kind == full || u.Attested.Slot <= store.Finalized().Slot {
			continue
		}
		// A change of nothing comes last: the store takes the update then.
		for _, change := range []int{7, 64 + 50, 0} { // participation, the signature, nothing
			c, at := beacon.Chunk{Fork: u.Fork, SSZ: slices.Clone(u.SSZ)}, aggregateAt(u.Chunk)
			if change > 0 {
				c.SSZ[at+change] ^= 1
			}
			u := updateOf(t, r.network, u.Kind, c)
			theirs, _, err := judge.VerifySignedHeader(signedHeader(u, c.SSZ[at:]))
			if err != nil {
				t.Fatal(err)
			}
			if ours := store.Process(u, u.SignatureSlot); theirs != (ours == nil) {
				t.Errorf("%v of slot %d, change %d: %v, go-ethereum says %t", u.Kind, u.Attested.Slot, change, ours, theirs)
			}
			if theirs {
				valid++
			} else {
				invalid++
			}
		}
	}
	if valid < 40 || invalid < 80 {
		t.Errorf("%d valid and %d invalid signatures compared", valid, invalid)
	}
}

func newJudge(t *testing.T, r *recording) *light.CommitteeChain {
	t.Helper()
	cfg := r.network.Config()
	chain := &params.ChainConfig{GenesisValidatorsRoot: common.Hash(r.network.GenesisValidatorsRoot())}
	for fork, name := range []string{"GENESIS", "ALTAIR", "BELLATRIX", "CAPELLA", "DENEB", "ELECTRA", "FULU"} {
		f := cfg.Forks[fork]
		chain.AddFork(name, uint64(f.Epoch), f.Version[:])
	}
	o, err := must2(r.network.TypeOf(ssz.Electra, "LightClientBootstrap")).Decode(r.bootstraps[0].SSZ)
	if err != nil {
		t.Fatal(err)
	}
	b := o.(*mainnet.LightClientBootstrapElectra)
	committee := new(types.SerializedSyncCommittee)
	for i, key := range b.CurrentSyncCommittee.Pubkeys {
		copy(committee[48*i:], key[:])
	}
	copy(committee[48*512:], b.CurrentSyncCommittee.AggregatePubkey[:])
	bootstrap := types.BootstrapData{
		Version: "electra", Header: header(bootstrapOf(t, r.network, r.bootstraps[0]).Header),
		CommitteeRoot: committee.Root(), Committee: committee,
	}
	for _, root := range b.CurrentSyncCommitteeBranch {
		bootstrap.CommitteeBranch = append(bootstrap.CommitteeBranch, merkle.Value(root))
	}
	judge := light.NewCommitteeChain(memorydb.New(), chain, 1, false)
	if err := judge.CheckpointInit(bootstrap); err != nil {
		t.Fatal(err)
	}
	return judge
}

func must2[T any](x T, err error) T {
	must(err)
	return x
}

func header(h lightclient.Header) types.Header {
	return types.Header{
		Slot: uint64(h.Slot), ProposerIndex: h.ProposerIndex,
		ParentRoot: common.Hash(h.ParentRoot), StateRoot: common.Hash(h.StateRoot), BodyRoot: common.Hash(h.BodyRoot),
	}
}

func signedHeader(u *lightclient.Update, aggregate []byte) types.SignedHeader {
	return types.SignedHeader{
		Header: header(u.Attested), SignatureSlot: uint64(u.SignatureSlot),
		Signature: types.SyncAggregate{Signers: [64]byte(aggregate), Signature: [96]byte(aggregate[64:])},
	}
}

// aggregateAt returns where the sync aggregate of a finality or optimistic update of the mainnet preset begins: before
// the signature slot, which ends the fixed part.
func aggregateAt(c beacon.Chunk) int { return int(binary.LittleEndian.Uint32(c.SSZ)) - 8 - 96 - 64 }
