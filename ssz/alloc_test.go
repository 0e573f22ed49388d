package ssz_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/seed-2dd5877b/reqresp/internal/race"
	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/containers"
	"github.com/seed-2dd5877b/reqresp/ssz/mainnet"
)

// The cheapest way to ask for memory in a block is an empty transaction: four bytes of offset for
// the header of a slice.
func TestDecodeAllocatesInProportion(t *testing.T) {
	n := ssz.Mainnet()
	block := mainnet.SignedBeaconBlockElectra{}
	block.Message.Body.ExecutionPayload.Transactions = make([][]byte, 1<<18)
	b, err := block.MarshalSSZ()
	if err != nil {
		t.Fatal(err)
	}
	requireFewBytes(t, len(b), func() { _, err = n.DecodeBlock(ssz.Electra, b) })
	if err != nil {
		t.Fatal(err)
	}
	const listSize, requestsSize = 4 << 18, 12
	list := len(b) - requestsSize - listSize
	b = at(b, list, 0xfc, 0xff, 0x3f, 0) // the first offset claims as many as the type allows
	requireFewBytes(t, 0, func() { _, err = n.DecodeBlock(ssz.Electra, b) })
	if !isCheckError(err, "message.body.execution_payload.transactions", ssz.ErrOffset) {
		t.Errorf("error %v, want ErrOffset", err)
	}
}

// The lists of Gloas have no limits but that of the message.
func TestDecodeGloasAllocatesInProportion(t *testing.T) {
	for name, payload := range map[string]containers.ExecutionPayloadGloas{
		"empty transactions": {Transactions: make([][]byte, 1<<20)},
		"one transaction":    {Transactions: [][]byte{make([]byte, 4<<20)}},
		"withdrawals":        {Withdrawals: slices.Repeat([]*containers.Withdrawal{{}}, 1<<17)},
		"access list":        {BlockAccessList: make([]byte, 4<<20)},
	} {
		b, err := (&containers.SignedExecutionPayloadEnvelope{
			Message: containers.ExecutionPayloadEnvelope{Payload: payload},
		}).MarshalSSZ()
		if err != nil {
			t.Fatal(err)
		}
		envelope := vector{Preset: "mainnet", Fork: "gloas", Type: "SignedExecutionPayloadEnvelope"}
		requireFewBytes(t, len(b), func() { _, err = envelope.decode(t, b) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		requireFewBytes(t, 0, func() { _, err = envelope.shape(t).Root(b) })
		if err != nil {
			t.Errorf("root of %s: %v", name, err)
		}
	}
}

func TestCheckAndRootOfBlockAllocateNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("pools keep nothing under the race detector")
	}
	n := ssz.Mainnet()
	big := bigBlock(t)
	allocs := testing.AllocsPerRun(10, func() {
		if err := n.CheckBlock(ssz.Electra, big); err != nil {
			t.Error(err)
		}
		if _, err := n.BlockRoot(ssz.Electra, big); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

// requireFewBytes fails if f allocates more than a small multiple of the size of its input. The
// allowance beside that is for other goroutines; a list that is made by the length it claims
// exceeds it.
func requireFewBytes(t *testing.T, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(8*input+1<<20) {
		t.Errorf("%d bytes allocated for an input of %d", n, input)
	}
}
