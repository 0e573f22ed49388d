package ssz_test

import (
	"bytes"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// FuzzSignedBlock holds DecodeBlock to its promises for the blocks of all forks and presets.
func FuzzSignedBlock(f *testing.F) {
	for _, v := range allVectors(f) {
		if v.Type == "SignedBeaconBlock" {
			f.Add(v.Preset == "minimal", uint8(v.fork(f)), []byte(v.SSZ))
		}
	}
	for _, v := range readVectors(f, "chain.jsonl.gz")[:2] {
		f.Add(false, uint8(v.fork(f)), []byte(v.SSZ))
	}
	networks := map[bool]*ssz.Network{
		false: networkOf(f, ssz.MainnetPreset),
		true:  networkOf(f, ssz.MinimalPreset),
	}
	f.Fuzz(func(t *testing.T, minimal bool, fork uint8, b []byte) {
		n, fork0 := networks[minimal], ssz.Fork(fork%7)
		header, peekErr := ssz.PeekBlock(b)
		checkErr := n.CheckBlock(fork0, b)
		var block ssz.SignedBlock
		var err error
		requireFewBytes(t, len(b), func() { block, err = n.DecodeBlock(fork0, b) })
		if (checkErr == nil) != (err == nil) {
			t.Fatalf("check: %v, decode: %v", checkErr, err)
		}
		if err != nil {
			requireCheckError(t, err)
			return
		}
		requireSameBytes(t, block, b)
		least, most := n.BlockBounds(fork0)
		if len(b) < least || len(b) > most {
			t.Errorf("%d bytes are not within the bounds %d to %d", len(b), least, most)
		}
		if peekErr != nil || header.Slot != ssz.Slot(block.Slot()) || header.ParentRoot != block.ParentRoot() {
			t.Errorf("peeked %+v, error %v", header, peekErr)
		}
		if _, err := block.BlockRoot(); err != nil {
			t.Errorf("no block root: %v", err)
		}
	})
}

// FuzzMessage holds Decode to its promises for the messages of Req/Resp.
func FuzzMessage(f *testing.F) {
	var names []string
	for _, v := range readVectors(f, "ssz-mainnet.jsonl.gz") {
		if messages[v.Type] == nil {
			continue
		}
		if len(names) == 0 || names[len(names)-1] != v.Type {
			names = append(names, v.Type)
		}
		f.Add(uint8(len(names)-1), []byte(v.SSZ))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		message, err := messages[names[int(which)%len(names)]](b)
		if err != nil {
			requireCheckError(t, err)
			return
		}
		requireSameBytes(t, message, b)
	})
}

// FuzzBeaconBlocksByRootRequest does the same for the one request that is a list.
func FuzzBeaconBlocksByRootRequest(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 32))
	f.Add(make([]byte, 33))
	f.Add(make([]byte, 129*32))
	shape := ssz.Mainnet().BeaconBlocksByRootShape(300_000)
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := shape.Check(b); err != nil {
			requireCheckError(t, err)
			return
		}
		var request ssz.BeaconBlocksByRootRequest
		if err := request.UnmarshalSSZ(b); err != nil {
			t.Fatal(err)
		}
		if len(request) > 128 {
			t.Errorf("%d roots", len(request))
		}
		if got, err := request.MarshalSSZ(); err != nil || !bytes.Equal(got, b) {
			t.Errorf("encodes to %x, error %v, want %x", got, err, b)
		}
	})
}

// FuzzParseConfig requires that a configuration that parses can be used.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("PRESET_BASE: minimal\nALTAIR_FORK_EPOCH: 0x1\nBLOB_SCHEDULE:\n- EPOCH: 1\n  MAX_BLOBS_PER_BLOCK: 2\n"))
	f.Add([]byte("SLOT_DURATION_MS: '1'\nGENESIS_FORK_VERSION: 0x00000001\nX: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		cfg, err := ssz.ParseConfig(file)
		if err != nil {
			if !errors.Is(err, ssz.ErrConfig) {
				t.Errorf("error %v, want ErrConfig", err)
			}
			return
		}
		n, err := ssz.NewNetwork(*cfg, time.Unix(0, 0), ssz.Root{})
		if err != nil {
			return // two forks of one version
		}
		for _, p := range n.Periods() {
			if of, ok := n.PeriodOf(p.Digest); !ok || of != p || n.PeriodAt(p.First) != p || n.PeriodAt(p.Last) != p {
				t.Errorf("period %+v is not found again", p)
			}
		}
		n.SlotAt(n.TimeAt(n.StartSlot(ssz.FarFutureEpoch)))
	})
}

func requireCheckError(t *testing.T, err error) {
	t.Helper()
	check, ok := errors.AsType[*ssz.CheckError](err)
	if !ok || check.Type == "" || check.Error() == "" {
		t.Fatalf("error %v is no CheckError", err)
	}
}

func requireSameBytes(t *testing.T, o ssz.Object, want []byte) {
	t.Helper()
	if got, err := o.MarshalSSZ(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("encodes to %x, error %v, want %x", got, err, want)
	}
	if _, err := o.HashTreeRoot(); err != nil {
		t.Errorf("no root: %v", err)
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
