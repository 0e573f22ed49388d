// Package history serves the blocks of a directory of era files, and those of a store for what comes after, as one
// [beacon.Chain]. The files are served as they are: nothing is imported, and nothing is written.
//
//	dir, err := era.OpenDir(ctx, "/archive/mainnet", network, nil)
//	…
//	chain, err := history.Open(ctx, dir, network, s, nil)
//	…
//	server := beacon.NewServer(host, network, chain, nil)
//
// # What is served
//
// Slots of the files are served from the files, and those after from the store. The files count from the last gap on:
// earlier ones are left alone, and not announced. The store has to link to the files: the parent of its first block is
// the last block of the files, or it has the same blocks where both have some. It may be empty. [Open] fails with a
// [*LinkError] otherwise. A store that ceases to link later, as it was pruned, is served alone.
//
// Blob sidecars, data columns and envelopes are those of the store. Of blocks in the files there are none, which counts
// up to the last slot of the files: whether a block there has blobs is not looked up.
//
// The earliest slot of the status is the first of the files, and the head is that of the store, or the last block of
// the files if the store is empty or behind. A finalized checkpoint is the store's to know.
//
// By root the chain finds all blocks of the store and, with a root index, of the files: see [era.RootIndex]. Without
// one, and of files that are newer than it, the chain finds the blocks of the last era, and those of eras whose index
// is in memory because they were asked for. It leaves out others: the specs require blocks by root from the last
// finalized checkpoint on, and all that is in an era file is before that.
// Ancestries go on through the files all the same, as they are found by range.
//
// # What is verified
//
// A block of the files is verified as it is first looked up: the checksums of its frames, that it is a well-formed
// block of its slot, that its root is the one in the state of its era, and that its parent is the block before it. Of
// the first block of an era the state of the era before says which that is, if it can be read. Then the size and the
// CRC-32C of the frames are remembered, and each time the block is served its frames are compared with that: what
// changes on the disk is not sent. A slot that is empty by the file and not by the state is an error as well.
//
// The states are taken at their word, but for their network: a file that contradicts itself is found, and one that is
// made up as a whole is not. The check of package era, which goes further, says what proves what. Roots do not cover
// signatures, which nobody verifies here.
//
// A block that is damaged is an error that begins with the file's name and wraps an [*era.Error] with the offset and
// the slot. All other blocks go on being served.
//
// # What it costs
//
// A block is served with one read, straight behind the header of its chunk. Blocks that are looked up for the first
// time are read up to 1 MiB at a time, decoded and hashed; at most eight look-ups do so at a time, and others wait. An
// index is about 0.7 MiB of memory for each of the last 32 eras that were asked for. It is made from the file's index
// and the beginning of its state.
package history
