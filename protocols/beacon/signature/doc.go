// Package signature verifies what a block root does not cover: the proposers' signatures of blocks. The specs demand it
// of a node that fills in history.
//
// The public keys come from a beacon state, such as that of an era file:
//
//	state, err := group.OpenState(ctx)
//	…
//	keys, err := signature.ReadKeys(network, state)
//	…
//	for i, result := range signature.Verify(network, keys, blocks) {
//		…
//	}
//
// A state has the keys of the validators that there were in its slot. Blocks of later ones are [Unchecked].
package signature
