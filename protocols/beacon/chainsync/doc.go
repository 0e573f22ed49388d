// Package chainsync downloads a chain of beacon blocks from many peers at once, forward from a block that is held or
// backward from one that is trusted.
//
//	cfg := &chainsync.Config{Client: client, Network: network, Peers: peers}
//	progress, err := chainsync.Forward(ctx, cfg, head, sink)
//
// It knows no database: what is verified goes to a [Sink], in order. What a sync has stored stays stored, so the next
// one resumes where it ended.
//
// # Requests
//
// The range is divided into batches of up to two epochs. A peer has at most two requests in flight. Its batches grow
// while it answers within a second, and shrink when it takes longer than four. A batch that is late, by three seconds
// or the 95th percentile of all batches, is asked of a second peer as well, as long as less than a tenth of what was
// downloaded was downloaded twice. The first answer that is valid wins; the other request is cancelled, and nobody is
// blamed for it. What waits for its turn is bounded in bytes. A peer that all others would wait for, because it is slow
// or has brought nothing of late, is asked for single blocks that are known already until it has caught up.
//
// # What is believed
//
// Every block is decoded and hashed once, by the client, and has to link to the block before it.
//
// Backward, the trusted block's parent root proves the block below it, and so on: a block that is not proven is not
// stored, and whoever sent it is blamed.
//
// Forward, links alone prove nothing. So blocks are stored once two peers vouch for them: another peer sent blocks that
// descend from them, or the same ones, or names one of these in its status. Where only one peer can serve a range, its
// word is enough. Whether the chain is the right one is for the caller to decide by a trusted root.
//
// Signatures are not covered by roots, and are checked by nobody here but [Config].Verify.
//
// # Who is blamed
//
// Batches that do not link are asked of further peers, until some answers make a chain. An answer that is not in it is
// that of a wrong chain, or of a peer that left blocks out, and its sender is blamed. An answer that ends early is
// completed by other peers, and its sender is blamed if they have blocks for the rest. An empty answer means that
// the peer lacks the range, and is blamed on nobody. Refusals, timeouts and disconnects are no offences: the peer is
// asked again after a pause, and given up after six failures in a row or five minutes of refusals.
//
// # Sidecars
//
// [FetchSidecars] downloads what belongs to blocks besides themselves: blobs, columns of the custody, envelopes. A sink
// that wants them calls it before it stores blocks.
package chainsync
