// Package lightclient is the light client sync protocol of the consensus specs: it finds out which blocks of a chain
// are final, and which is its head, from what sync committees have signed. It trusts one block root and no peer.
//
//	bootstrap, err := lightclient.DecodeBootstrap(network, chunk)
//	…
//	store, err := lightclient.NewStore(network, trusted, bootstrap)
//	…
//	update, err := lightclient.DecodeUpdate(network, beacon.KindLightClientFinalityUpdate, chunk)
//	…
//	err = store.Process(update, network.SlotAt(time.Now()))
//	store.Finalized() // a block that two thirds of a sync committee say is final
//
// A [Client] follows a chain by asking peers, with the four light client protocols. It also reports peers whose
// finalized checkpoint contradicts what the sync committees have signed:
//
//	client := lightclient.NewClient(network, server.Client(), trusted, peers, nil)
//	if err := client.Sync(ctx); err != nil {
//		return err
//	}
//	client.View().Finalized
//
// It puts verified objects into [Objects], which serve other light clients.
//
// A [Store] is the LightClientStore of the specs, and verifies everything that their validate_light_client_update
// does: it works in all presets and in all forks from Altair on. The types of Heze are those of Gloas. The generalized
// indices of Gloas are the specs'; no client has published objects to compare with.
//
// The error of an invalid [Bootstrap] or [Update] wraps reqresp.ErrViolation and the rule that is broken, such as
// [ErrFinalityBranch].
//
// The package follows the consensus specs of August 2026: the light client's sync protocol of Altair to Gloas.
package lightclient
