package beacon_test

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"time"

	gsnappy "github.com/golang/snappy"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The test chain is a part of a real development chain: the blocks of slots 44 to
// 84, one in every slot. Fulu begins with slot 64, epoch 2.
const (
	firstSlot     ssz.Slot  = 44
	boundarySlot  ssz.Slot  = 64
	headSlot      ssz.Slot  = 84
	finalizedSlot           = boundarySlot
	finalEpoch    ssz.Epoch = 2
)

//go:embed testdata/config.yaml
var devConfig string

// devNetworkFrom returns the network of a configuration, with the test chain's genesis.
func devNetworkFrom(config string) *ssz.Network {
	var root ssz.Root
	must(0, root.UnmarshalText([]byte("0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f")))
	cfg := must(ssz.ParseConfig([]byte(config)))
	return must(ssz.NewNetwork(*cfg, time.Unix(1795346738, 0), root))
}

var devNetwork = sync.OnceValue(func() *ssz.Network { return devNetworkFrom(devConfig) })

// forksAt returns the test chain's configuration with some forks at other epochs,
// given as pairs of name and epoch.
func forksAt(forks ...string) string {
	config := devConfig
	for i := 0; i < len(forks); i += 2 {
		before, rest, _ := strings.Cut(config, forks[i]+"_FORK_EPOCH: ")
		_, after, _ := strings.Cut(rest, "\n")
		config = before + forks[i] + "_FORK_EPOCH: " + forks[i+1] + "\n" + after
	}
	return config
}

// devNow is a clock that stands in the slot of the chain's head.
func devNow() time.Time { return devNetwork().TimeAt(headSlot) }

//go:embed testdata/blocks.jsonl.gz
var devBlocksFile []byte

// devBlocks returns the blocks of the test chain, which are shared and not to be
// changed. The frames of every other block are as another encoder made them.
var devBlocks = sync.OnceValue(func() (chain []*beacon.Block) {
	lines := json.NewDecoder(must(gzip.NewReader(bytes.NewReader(devBlocksFile))))
	for {
		var line struct {
			Slot   ssz.Slot       `json:"slot"`
			Digest ssz.ForkDigest `json:"context_hex"`
			Root   ssz.Root       `json:"block_root_hex"`
			SSZ    string         `json:"ssz_hex"`
		}
		if err := lines.Decode(&line); errors.Is(err, io.EOF) {
			return chain
		} else if err != nil {
			panic(err)
		}
		encoded := must(hex.DecodeString(line.SSZ))
		n := devNetwork()
		block := &beacon.Block{
			Slot:       line.Slot,
			Root:       line.Root,
			ParentRoot: must(ssz.PeekBlock(encoded)).ParentRoot,
			Fork:       n.ForkAt(n.EpochOf(line.Slot)),
			Digest:     line.Digest,
			SSZ:        encoded,
			Frames:     frames(encoded),
		}
		if line.Slot%2 == 1 {
			block.Frames = plainFrames(encoded)
		}
		chain = append(chain, block)
	}
})

// devBlock returns the block of a slot.
func devBlock(slot ssz.Slot) *beacon.Block { return devBlocks()[slot-firstSlot] }

// frames returns b in snappy frames, by an encoder that is not this module's.
func frames(b []byte) []byte {
	var buf bytes.Buffer
	w := gsnappy.NewBufferedWriter(&buf)
	must(w.Write(b))
	must(0, w.Close())
	return buf.Bytes()
}

// plainFrames returns b in frames that compress nothing and are shorter than they
// need be, which this module's encoder never makes.
func plainFrames(b []byte) []byte {
	wire := []byte("\xff\x06\x00\x00sNaPpY")
	for len(b) > 0 {
		part := b[:min(1000, len(b))]
		crc := crc32.Checksum(part, crc32.MakeTable(crc32.Castagnoli))
		wire = binary.LittleEndian.AppendUint32(wire, 1|uint32(len(part)+4)<<8)
		wire = binary.LittleEndian.AppendUint32(wire, (crc>>15|crc<<17)+0xa282ead8)
		wire = append(wire, part...)
		b = b[len(part):]
	}
	return wire
}

// payload returns a message as the specs' ssz_snappy has it.
func payload(message []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(message))), frames(message)...)
}

// result returns a response chunk without context bytes.
func result(code byte, message []byte) []byte { return append([]byte{code}, payload(message)...) }

// chunkOf returns the response chunk of a block under any digest.
func chunkOf(digest ssz.ForkDigest, encoded []byte) []byte {
	return append(append([]byte{0}, digest[:]...), payload(encoded)...)
}

// chunk returns the response chunk of a block, with its frames as they are.
func chunk(b *beacon.Block) []byte {
	wire := append([]byte{0}, b.Digest[:]...)
	wire = binary.AppendUvarint(wire, uint64(len(b.SSZ)))
	return append(wire, b.Frames...)
}

// chunks returns the response chunks of the blocks of some slots.
func chunks(slots ...ssz.Slot) (wire []byte) {
	for _, slot := range slots {
		wire = append(wire, chunk(devBlock(slot))...)
	}
	return wire
}

// uints returns numbers as SSZ has them.
func uints(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func rootsOf(slots ...ssz.Slot) (roots []ssz.Root) {
	for _, slot := range slots {
		roots = append(roots, devBlock(slot).Root)
	}
	return roots
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func unhex(s string) []byte { return must(hex.DecodeString(strings.ReplaceAll(s, " ", ""))) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
