// Package plugin runs the consensus layer's Req/Resp domain as a service of a
// go-ethereum node.
//
// [New] registers a [Service] with a node.Node and opens nothing; the node's
// Start opens everything, and its Stop says goodbye to the peers, drains what is
// under way and leaves nothing running:
//
//	stack, err := node.New(&node.Config{DataDir: dir})
//	service, err := plugin.New(stack, chain, plugin.Config{Network: ssz.Mainnet()})
//	err = stack.Start()
//
// [NewStandalone] makes the same service for a process without such a node: its caller starts and
// stops it.
//
// The chain is what the service answers from; see beacon.Chain. Without one, it
// serves the embedded store, which has a database of its own in the node's data directory and is
// filled by importing or by syncing, see [OpenStore] and packages store and rangesync. With
// [Config].Era it serves a directory of era files before what the store holds, see package history.
//
// The service makes a libp2p host with QUIC and TCP, or uses one that it is
// given. Its peer identity is a secp256k1 key of its own, kept in the node's
// data directory, unless [Config].ShareNodeKey says otherwise. A host that it makes runs a gossipsub router without
// topics, see package gossipsub: clients like Lighthouse ban a peer that does not support gossipsub.
//
// Peers are managed by [Service.Peers], see package peers: it dials, looks after them and
// leaves them, as [Config].Peers says, and remembers them in the data directory. [Config].Discovery finds peers by
// discv5, see package discovery. Forks are followed without anything to do for it.
//
// [Service.Scores] tells how peers behave and who is banned, see package score; it is kept in the data
// directory. Whose score is bad is left, who is banned is kept out, and the limiter gives the better ones more.
//
// # A host of one's own
//
// A service on [Config].Host shares it with whatever else runs there: it neither counts nor leaves peers that have
// nothing to do with it, unless they are banned. A host asks its connection gater whom to keep out, which it takes as
// it is made, before the service. The scores, of which the gater is one view, can be made first:
//
//	book, err := score.New(nil)
//	h, err := libp2p.New(libp2p.ConnectionGater(book.Gater(nil)))
//	service, err := plugin.New(stack, chain, plugin.Config{Network: network, Host: h, Book: book})
//
// On a host without it, peers that are banned are refused whatever they ask for, and left soon. The service runs no
// gossipsub on a host that is given.
//
// # Files
//
// In the node's data directory there are, with the service's name in place of "reqresp":
//
//	beaconchain          the embedded store; NAME-beaconchain for other names
//	beaconchain-segments its history, in files that can be read without it; NAME-beaconchain-segments for other names
//	reqresp-nodekey      the peer identity, as hex
//	reqresp-peers.json   peers that are known
//	reqresp-scores.json  scores and bans
//	reqresp-nodes        nodes that discovery knows
//
// An identity or scores that cannot be read keep the service from starting; peers that are known are found again.
// Scores of the future, which a wrong clock leaves behind, are taken for those of now, with a warning: bans last
// for as long as they had left. Without a data directory all is in memory.
//
// # Resources
//
// [Config].Memory is divided among streams and messages, see package resources: it says how many
// streams are served, and the service's own host has a resource manager that keeps to it. A peer
// that opens thousands of streams has no more than 78 at a time, two of them for gossipsub and fewer
// with less memory, and what they cost is stated there. The limits are made when the service starts: a larger queue
// that [Service.Limiter] is given later may be more than they allow for.
//
// # Operation
//
// [Service.Metrics] is a collector for Prometheus. Over the node's RPC, package client reads what
// the service does, in the namespace "reqresp", and changes it, in "reqrespadmin": go-ethereum
// exposes by namespace, so that operators may let others look and not change.
//
// # Several services
//
// A node may have several services, of other networks for example, each with a [Config].Name and a host of its
// own. A libp2p host has room for one.
package plugin
