// Package discovery finds peers of a beacon chain network by discv5, the node discovery protocol of
// https://github.com/ethereum/devp2p/blob/master/discv5/discv5.md, and lets them find this node.
//
// It runs go-ethereum's implementation on a UDP socket of its own, under the key of the libp2p host: the
// node ID, the record and the peer ID are then one identity, and the record (ENR) says where the host
// can be dialed. Besides the addresses it carries the entries of the consensus specs:
//
//	eth2      fork digest, and version and epoch of the next fork (ENRForkID)
//	attnets   attestation subnets, of the metadata
//	syncnets  sync committee subnets, of the metadata
//	cgc       custody group count, of the metadata; if the network has fulu
//	nfd       digest of the next fork; if the network has fulu
//
// They follow the metadata and the forks of the network by themselves, within a second.
//
// Nodes of many networks share discv5. A node that is found is a candidate only if its record has the
// fork digest of this network and an address that libp2p can dial. Candidates go to a [Sink], and are only
// looked for as long as it wants any.
//
// # Boot nodes
//
// A node that knows nobody needs a boot node to begin with. [BootNodes] has those of mainnet, sepolia, hoodi, gnosis
// and chiado, for who asks it: without [Options].BootNodes a [Discovery] has none. Other networks publish theirs with
// their configuration, in a file that [ParseBootNodes] reads. Nodes that were known for five minutes are remembered
// over restarts where there is a database.
package discovery
