// Package peers manages the peers of a beacon chain service: it dials, keeps and disconnects them, and records what it
// learns of each.
//
// A [Manager] belongs to a beacon.Server, whose hooks report what peers send:
//
//	manager, err := peers.New(host, &peers.Options{Config: peers.Config{Target: 50}})
//	server := beacon.NewServer(host, network, chain, &beacon.ServerOptions{PeerTrace: manager.Trace()})
//	err = server.Start()
//	manager.Start(server)
//	defer server.Stop(ctx)
//	defer manager.Stop() // before the server, which says goodbye
//
// # Upkeep
//
// The server sends a status to each peer that the host dials. A peer that has sent none twenty seconds after it
// connected is disconnected. Statuses are exchanged again every four to five minutes, when this node's head has moved
// by an epoch, and when a fork has begun, so that peers that have not followed the fork are found and disconnected. A
// peer is pinged every 15 to 30 seconds, and disconnected if it does not answer three times in a row. The manager
// requests a peer's metadata when a ping, in either direction, has a newer sequence number.
//
// # Whom to dial
//
// While there are fewer peers than Config.Target, or fewer dialed ones than Config.MinOutbound, known peers are dialed:
// static ones first, then those that were good before, then candidates from [Manager.AddCandidate]. Dials are bounded
// in number and rate. libp2p dials a peer's QUIC addresses first, and its TCP addresses if that does not succeed at
// once.
//
// Known peers are kept in a file over restarts. When there are too many, the least promising are forgotten.
//
// A peer with a limited connection only, over a relay, does not count as one: the manager neither asks nor disconnects
// it until there is a direct connection.
//
// # Whom to disconnect
//
// Peers that Options.Scores reports as bad or banned are disconnected, whatever the target, and banned ones are not
// dialed. While there are more peers than the target, the worst are disconnected: those with the lowest score, then
// those that have sent no status ten seconds after they connected, then those to which nothing is being sent, then
// those out of use, then those whose heads lag behind most, then the youngest. A peer is in use for ten minutes after
// an exchange of data in either direction. Static and trusted peers are exempt. So are dialed peers, up to
// Config.MinOutbound, as peers that dial choose themselves.
//
// A fourth of the target is reserved for newcomers: a peer has 30 seconds to show use before it is disconnected for
// lack of room. If there are more newcomers, the first ones make room. A peer that comes back within ten minutes is not
// a newcomer again. At most Config.MaxPerPrefix peers of one address prefix are kept.
//
// For lack of room, a peer is disconnected only ten seconds after the answers that were in flight when it was chosen
// have ended. An answer that progresses by less than reqresp.ProgressFloor in reqresp.DefaultProgressTimeout is not
// waited for.
//
// After a goodbye in either direction, a peer is not dialed for a time that depends on the reason: from two minutes for
// a fault to four hours for an irrelevant network or a ban.
package peers
