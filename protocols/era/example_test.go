package era_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/seed-2dd5877b/reqresp/protocols/era"
	"github.com/seed-2dd5877b/reqresp/snappy"
)

// A block is read as the frames that it has in the file, and on the wire.
func Example() {
	ctx := context.Background()
	f, err := era.Open(ctx, "testdata/era/vecdev-00001-bd9082b1.era")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	frames, err := f.AppendFrames(ctx, 33, nil)
	if err != nil {
		log.Fatal(err)
	}
	size, err := snappy.CheckFrames(frames)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(frames), "bytes of frames,", size, "bytes of SSZ")

	encoded, err := snappy.AppendDecoded(nil, frames, size)
	if err != nil {
		log.Fatal(err)
	}
	n := network()
	block, err := n.DecodeBlock(n.ForkAt(n.EpochOf(33)), encoded)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%T of slot %d\n", block, block.Slot())
	// Output:
	// 1303 bytes of frames, 1810 bytes of SSZ
	// *minimal.SignedBeaconBlockElectra of slot 33
}

// The blocks of a range are read ahead. Empty slots are left out.
func ExampleFile_Blocks() {
	ctx := context.Background()
	f, err := era.Open(ctx, "testdata/era/vecdev-00001-bd9082b1.era")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for block, err := range f.Blocks(ctx, 27, 32) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(block.Slot, len(block.Frames))
	}
	// Output:
	// 27 1156
	// 28 638
	// 30 2358
	// 31 1154
}

// A file is checked against its own state and name, and against the network.
func ExampleFile_Check() {
	ctx := context.Background()
	f, err := era.Open(ctx, "testdata/era-lodestar/vecdev-00001-bd9082b1.era")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	report, err := f.Check(ctx, network())
	for _, problem := range report.Problems {
		fmt.Println("problem:", problem)
	}
	for _, warning := range report.Warnings {
		fmt.Println("warning:", warning)
	}
	if err != nil {
		log.Fatal(err)
	}
	for _, g := range report.Groups {
		fmt.Printf("era %d: %d blocks, state root %v…\n", g.Era, g.Blocks, g.StateRoot.String()[:10])
	}
	// Output:
	// warning: offset 105500: era: offsets are not sign-extended: index of 64 slots from 0 on
	// warning: offset 105500: era: offsets of empty slots are not 0: index of 64 slots from 0 on
	// warning: offset 106036: era: offsets are not sign-extended: index of 1 slots from 64 on
	// era 1: 62 blocks, state root 0x0a635dd0…
}

// Any field of a state can be found by its shape.
func ExampleState_Shape() {
	ctx := context.Background()
	f, err := era.Open(ctx, "testdata/era/vecdev-00001-bd9082b1.era")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	state, err := f.Groups()[0].State(ctx, network())
	if err != nil {
		log.Fatal(err)
	}
	const validatorSize = 121
	_, size, err := state.Shape().Find(bytes.NewReader(state.SSZ()), int64(len(state.SSZ())), "validators")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(state.Fork(), "state of slot", state.Slot(), "with", size/validatorSize, "validators")
	// Output: electra state of slot 64 with 16 validators
}

// A directory of files is one history.
func ExampleOpenDir() {
	ctx := context.Background()
	dir, err := era.OpenDir(ctx, "testdata/era", network(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()
	fmt.Println(dir.Slots())
	for block, err := range dir.Blocks(ctx, 62, 66) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(block.Slot)
	}
	// Output:
	// 0 128
	// 62
	// 63
	// 64
	// 65
}

// Two files are joined to one.
func ExampleWriter() {
	ctx := context.Background()
	dir, err := era.OpenDir(ctx, "testdata/era", network(), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()
	var file bytes.Buffer
	w := era.NewWriter(&file, network())
	for n := range uint64(3) {
		group, err := dir.Group(ctx, n)
		if err != nil {
			log.Fatal(err)
		}
		first, end := group.Slots()
		for block, err := range dir.Blocks(ctx, first, end) {
			if err != nil {
				log.Fatal(err)
			}
			if err := w.Block(block.Frames); err != nil {
				log.Fatal(err)
			}
		}
		state, err := group.StateFrames(ctx, nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := w.State(state); err != nil {
			log.Fatal(err)
		}
	}
	name, _ := w.Name()
	fmt.Println(name, file.Len())
	// Output: vecdev-00000-31b7bc3c.era 234246
}
