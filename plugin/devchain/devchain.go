// Package devchain holds a short, real development chain: 142 signed blocks that link to each
// other, one in every slot from 1 to 142, of the forks electra (slots 1 to 63) and fulu (from
// slot 64, epoch 2, on), with the mainnet preset and slots of two seconds. A production client
// made it. It is for examples and tests that need blocks which every client decodes.
//
// The blocks, 0.3 MiB of SSZ, are embedded compressed and decoded by each call of [Blocks]. The
// block of slot 0, the genesis block, is not among them; the block of slot 1 names it as its
// parent.
package devchain

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const (
	// GenesisTime is the time of slot 0, in Unix seconds.
	GenesisTime = 1795346738
	// FirstSlot is the slot of the first block.
	FirstSlot ssz.Slot = 1
	// HeadSlot is the slot of the last block.
	HeadSlot ssz.Slot = 142
	// FinalizedEpoch is the epoch of the chain's last finalized checkpoint.
	FinalizedEpoch ssz.Epoch = 2
	// FinalizedSlot is the slot of the block that this checkpoint names.
	FinalizedSlot ssz.Slot = 64
)

// GenesisValidatorsRoot returns the hash tree root of the validators at genesis.
func GenesisValidatorsRoot() ssz.Root {
	return root("0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f")
}

// FinalizedRoot returns the root of the block at FinalizedSlot, which the finalized checkpoint of
// FinalizedEpoch names.
func FinalizedRoot() ssz.Root {
	return root("0x39a3346090864d4f2f0f1e65525e03be57e4ce9b8a8c09a0e1eebe72cb1f6c87")
}

// HeadRoot returns the root of the block at HeadSlot.
func HeadRoot() ssz.Root {
	return root("0x3952d97d341a6364ffa5c4a2edcf76b9b56854431aaa039c8b9bb572e9e6ecb3")
}

//go:embed config.yaml
var config string

// Config returns the configuration of the chain's network, a YAML file in the format of the
// consensus specs.
func Config() string { return config }

// Network returns the network of the chain. All calls return the same value.
func Network() *ssz.Network { return network() }

var network = sync.OnceValue(func() *ssz.Network {
	cfg, err := ssz.ParseConfig([]byte(config))
	if err != nil {
		panic(err) // The file is a part of the program.
	}
	n, err := ssz.NewNetwork(*cfg, time.Unix(GenesisTime, 0), GenesisValidatorsRoot())
	if err != nil {
		panic(err)
	}
	return n
})

//go:embed blocks.jsonl.gz
var blocks []byte

// A line is one line of the embedded file. Roots and bytes are hexadecimal, without a prefix.
type line struct {
	Slot   ssz.Slot       `json:"slot"`
	Digest ssz.ForkDigest `json:"context_hex"`
	SSZ    string         `json:"ssz_hex"`
	Root   ssz.Root       `json:"block_root_hex"`
}

// Blocks returns all blocks of the chain in the order of their slots. Each call decodes them
// anew: the caller owns the slice and the blocks. An error means that the embedded file is
// damaged.
func Blocks() ([]*beacon.Block, error) {
	r, err := gzip.NewReader(bytes.NewReader(blocks))
	if err != nil {
		return nil, fmt.Errorf("devchain: %w", err)
	}
	chain := make([]*beacon.Block, 0, HeadSlot)
	lines := json.NewDecoder(r)
	for {
		var l line
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			return chain, nil
		} else if err != nil {
			return nil, fmt.Errorf("devchain: %w", err)
		}
		block, err := l.block()
		if err != nil {
			return nil, fmt.Errorf("devchain: slot %d: %w", l.Slot, err)
		}
		chain = append(chain, block)
	}
}

func (l *line) block() (*beacon.Block, error) {
	encoded, err := hex.DecodeString(l.SSZ)
	if err != nil {
		return nil, err
	}
	header, err := ssz.PeekBlock(encoded)
	if err != nil {
		return nil, err
	}
	n := Network()
	return &beacon.Block{
		Slot:       l.Slot,
		Root:       l.Root,
		ParentRoot: header.ParentRoot,
		Fork:       n.ForkAt(n.EpochOf(l.Slot)),
		Digest:     l.Digest,
		SSZ:        encoded,
		Frames:     snappy.AppendFrames(nil, encoded),
	}, nil
}

func root(text string) (r ssz.Root) {
	if err := r.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return r
}
