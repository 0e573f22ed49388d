// Package rangesync downloads a chain of beacon blocks from a peer into a store,
// by beacon_blocks_by_range, and resumes where it left off.
//
// Every block is checked before it is stored: its encoding, its fork digest, its
// slot, and that its parent is the block before it. Blocks that link up are one
// chain, but not yet the right one. That is what the trusted root is for: a root
// known from elsewhere, such as a finalized checkpoint seen in an explorer. Once
// the chain is found to hold it, every block up to it is the one that this root
// leads to, by hashes. That does not cover the signature of a block, which is
// outside of what is hashed: it takes the chain's state to check, and stays
// unchecked. Without a root, the peer's own finalized one is taken at its word, and
// the [Result] says so.
//
// # Sidecars
//
// A block is stored together with what belongs to it: its blob sidecars, its data columns that are in the custody of the
// store (store.SetCustody), its execution payload envelope. They are asked for by root, if peers have to serve them and
// the store is to keep them (Options.Retention), and verified by package sidecar. Blocks of which the peer does not have
// them are stored all the same: Result.Lacking counts them, the store announces a later earliest available slot, and they
// are not asked for again. Of the last block of a batch, from Gloas on, it is not known whether its payload was revealed:
// it does not count as lacking. A wrong sidecar is a [SidecarError]. An interrupted run stores no block whose sidecars it
// has not got.
//
// # What a peer can do
//
// A peer may answer with fewer blocks than asked for: the rest is asked for
// again. An empty answer stands for empty slots, until a later block shows that
// it was not so.
//
// If the chain was reorganised since its last blocks were stored, they are given
// up as far as the peer's chain does not have them, once the peer has shown the
// blocks that it has instead. Blocks up to a root that was given are never given
// up, nor is any block for a peer that merely leaves blocks out.
//
// How fast a peer is asked is for its client's pacer, see beacon.ClientOptions, and so is how
// much at once, see [Source].
//
// A peer that wants to be left alone for a while is asked again, with pauses that
// grow to half a minute, or those of the pacer. If it says so for five minutes, and gives nothing
// meanwhile, or is sure to be left alone for that long,
// the sync ends in a [LimitedError]: whoever knows other peers goes on with those. One
// that fails, or leaves blocks out, gets six more tries in a row, one that breaks a rule none. A
// head that is in the future is refused, and so is a peer that names a head and
// then answers range after range with nothing: a thousand in a row, or sixteen that
// take five minutes. Options.MinRate sets a floor below which any peer is given up.
//
// Where the disk is full, see store.FreeSpace, a sync waits until there is room.
package rangesync
