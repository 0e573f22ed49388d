package beacontest

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Of the real chain that FuluBlocks returns, from Deneb to Fulu, with some blocks that have blobs.
const (
	FuluFirstSlot ssz.Slot = 80 // where Fulu begins
	FuluHead      ssz.Slot = 215
	FuluFinalized          = ssz.Epoch(24)
	// FuluLastBlobs is the slot of the last block that has blobs.
	FuluLastBlobs ssz.Slot = 214
)

// FuluBlobs returns the slots whose blocks have blobs: the first twelve are of Deneb and Electra.
func FuluBlobs() []ssz.Slot {
	return []ssz.Slot{
		5, 11, 17, 23, 30, 36, 42, 48, 54, 61, 67, 74,
		87, 99, 112, 125, 138, 150, 162, 175, 187, 201, 214,
	}
}

//go:embed testdata/fulu-config.yaml
var fuluConfig string

// FuluConfig returns the configuration of the chain's network, of the minimal preset.
func FuluConfig() string { return fuluConfig }

// FuluGenesis returns the time of slot 0 and the genesis validators root of the chain.
func FuluGenesis() (time.Time, ssz.Root) {
	var root ssz.Root
	const text = "0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f"
	if err := root.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return time.Unix(1796080587, 0), root
}

// FuluNetwork returns the network of the chain. All calls return the same value.
var FuluNetwork = sync.OnceValue(func() *ssz.Network {
	cfg, err := ssz.ParseConfig([]byte(fuluConfig))
	if err != nil {
		panic(err)
	}
	genesis, root := FuluGenesis()
	n, err := ssz.NewNetwork(*cfg, genesis, root)
	if err != nil {
		panic(err)
	}
	return n
})

//go:embed testdata/fulu-blocks.jsonl.gz
var fuluBlocks []byte

// FuluBlocks returns the 205 blocks of a development chain that a production client made, from the genesis
// block on. They are shared and not to be changed.
var FuluBlocks = sync.OnceValue(func() (chain []*beacon.Block) {
	z, err := gzip.NewReader(bytes.NewReader(fuluBlocks))
	if err != nil {
		panic(err)
	}
	for lines := json.NewDecoder(z); ; {
		var line struct {
			Slot ssz.Slot `json:"slot"`
			Root string   `json:"root"`
			SSZ  string   `json:"ssz_hex"`
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return chain
		} else if err != nil {
			panic(err)
		}
		chain = append(chain, fuluBlock(line.Slot, line.Root, line.SSZ))
	}
})

func fuluBlock(slot ssz.Slot, root, encoded string) *beacon.Block {
	b := &beacon.Block{Slot: slot}
	if err := b.Root.UnmarshalText([]byte("0x" + root)); err != nil {
		panic(err)
	}
	var err error
	if b.SSZ, err = hex.DecodeString(encoded); err != nil {
		panic(err)
	}
	header, err := ssz.PeekBlock(b.SSZ)
	if err != nil {
		panic(err)
	}
	n := FuluNetwork()
	b.ParentRoot, b.Frames = header.ParentRoot, snappy.AppendFrames(nil, b.SSZ)
	b.Fork, b.Digest = n.ForkAt(n.EpochOf(slot)), n.DigestAt(n.EpochOf(slot))
	return b
}
