// Package era reads, checks and writes era files, in which the history of a beacon chain is archived and distributed:
// all blocks of an era and the state at its end. Eras have SLOTS_PER_HISTORICAL_ROOT slots, 8192 on mainnet. The
// package needs no network and no client, and works on local files, on those of a web server and in any other
// [e2store.Source].
//
// # Reading blocks
//
//	f, err := era.Open(ctx, "mainnet-00001-40cf2f3c.era")
//	if err != nil {
//		return err
//	}
//	defer f.Close()
//	frames, err := f.AppendFrames(ctx, slot, nil)
//
// Opening a file reads its slot indices and nothing else. A block is one read then; [File.Blocks] reads the blocks of a
// range, with one read for a MiB of them.
//
// Blocks are handed out as they are in the file, which is in snappy frames of the encoded SignedBeaconBlock. These are
// the bytes of a chunk on the wire: a server sends them behind a header, once [snappy.CheckFrames] accepts them, and
// compresses nothing. To decode a [Block] takes the network that it is of:
//
//	encoded, header, root, err := block.Decode(network, nil)
//	…
//	decoded, err := network.DecodeBlock(network.ForkAt(network.EpochOf(block.Slot)), encoded)
//
// A [Dir] is a directory of files as one history, with a bounded number of them open: [OpenDir] goes by their names.
// [OpenURL] opens a file on a web server, and reads no more of it than it needs.
//
// # Groups and states
//
// A file has one group for each of its eras, mostly one. [File.Groups] are its [Group]s; the first of all, era 0, has
// nothing but the genesis state. The state of a group is that of the slot after the era, with the block of that slot
// applied, although that block is in the next era. [Group.BlockRoots] reads the roots of the era's blocks from it.
// [Group.OpenState] streams the encoded state, [Group.State] parses it, and [State.Shape] finds any field in it.
//
// # Checking
//
// A file that is opened is not checked: blocks that are read have the right place and record type, but may hold
// anything. [File.Check] verifies all of a file against itself and against a network, and lists what it finds. What a
// correct file proves is said there.
//
// # Writing
//
// A [Writer] makes a file of the frames of blocks and states:
//
//	w := era.NewWriter(file, network)
//	for _, frames := range blocks {
//		if err := w.Block(frames); err != nil {
//			return err
//		}
//	}
//	if err := w.State(snappy.AppendFrames(nil, state)); err != nil {
//		return err
//	}
//	name, _ := w.Name()
//
// A file that is written anew from its own records has the same bytes. Lodestar 1.39 reads every block and state of
// what a Writer writes; at empty slots its reader fails, because it takes their entries of 0 for the place of the
// index.
//
// # Finding blocks by root
//
// Era files have no index of roots. A [RootIndex] is one for a directory, made from the states of its files.
//
// # What is not as it should be
//
// Everything that is wrong with a file is an [*Error] with the offset and, where there is one, the slot; it wraps one
// of the package's errors, such as [ErrIndex] or [ErrRecord]. Errors of a source are wrapped as they are. Memory
// is proportional to the bytes that a file has, whatever lengths and counts it claims; a state is decompressed to at
// most 4 GiB, and a block to 10 MiB.
//
// Two faults of deployed writers are harmless and accepted, with a warning in the report of [File.Check]: offsets
// that are not sign-extended from 48 to 64 bits, and empty slots that point at the Version record instead of nothing.
// Both are those of Lodestar. Check also warns of frames that some peers reject and of records of unknown types.
//
// The package follows eth-clients/e2store-format-specs and the consensus specs of August 2026, phase0 to Heze.
package era
