// Package peers manages the peers of a beacon chain service: whom it dials, whom it keeps, whom it
// leaves, and what it knows of each.
//
// A [Manager] accompanies a beacon.Server, of which it learns what peers say:
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
// The server greets whom the host dials with a status. A peer that has told none twenty seconds after it
// connected is left. Statuses are exchanged again every four to five minutes, when the own head has moved by
// an epoch, and when a fork has begun, by which peers that have not followed it are found and left.
// Every 15 to 30 seconds a peer is pinged; one that does not answer three times
// in a row is left. Its metadata is asked for when a ping, in whichever direction, tells of newer.
//
// # Whom to dial
//
// As long as there are fewer peers than the target, or fewer that this node has dialed itself than it wants
// of those, known peers are dialed: static ones first, then those that were good before, then candidates that were
// offered, by [Manager.AddCandidate]. Dials are bounded in number and rate. libp2p dials a
// peer's QUIC addresses first and its TCP addresses if that does not work at once.
//
// Known peers are remembered in a file over restarts. The least promising are forgotten when there are too
// many.
//
// A peer that is reached over a limited connection alone, over a relay, is no peer: it is neither counted nor asked nor
// left, until there is a direct connection.
//
// # Whom to leave
//
// Peers that [Options].Scores find bad or banned are left, whatever the target, and banned ones are not dialed.
// When there are more peers than the target, the worst are left: those with the lowest score, then those that have told
// no status ten seconds after they connected, then those to which nothing is being sent, then those of no use, then
// those whose heads lag behind most, then the youngest. A peer is of use for ten minutes after data was exchanged
// with it, whoever asked. Static and trusted peers are exempt, and so are dialed peers as long as there are few of
// those: peers that dial choose themselves.
//
// A fourth of the target is for newcomers: a peer is not left for lack of room in its first 30 seconds, in which it
// can show use. If there are more of them, those that came first make room. A peer has no such time again if it comes
// back within ten minutes. Of the peers of one address prefix no more than [Options].MaxPerPrefix are kept.
//
// A peer is not left for lack of room in the middle of an answer: it is left ten seconds after the answers
// have ended which were under way as it was chosen. An answer that moves by less than reqresp.ProgressFloor in
// reqresp.DefaultProgressTimeout is not waited for.
//
// After a goodbye, whoever said it, a peer is not dialed for as long as its reason asks; see [Backoff].
package peers
