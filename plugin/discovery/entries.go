package discovery

import (
	"github.com/ethereum/go-ethereum/p2p/enr"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The keys of the entries that the consensus specs define.
const (
	keyEth2     = "eth2"
	keyAttnets  = "attnets"
	keySyncnets = "syncnets"
	keyCgc      = "cgc"
	keyNfd      = "nfd"
)

// entries returns what the record says of a node in an epoch, besides where it is.
func entries(n *ssz.Network, e ssz.Epoch, md *ssz.MetaDataV3) []enr.Entry {
	all := []enr.Entry{
		enr.WithEntry(keyEth2, ForkIDAt(n, e).AppendSSZ(nil)),
		enr.WithEntry(keyAttnets, md.Attnets[:]),
		enr.WithEntry(keySyncnets, md.Syncnets[:]),
	}
	if n.Config().Forks[ssz.Fulu].Epoch == ssz.FarFutureEpoch {
		return all
	}
	next := NextDigestAt(n, e)
	return append(all, enr.WithEntry(keyCgc, md.CustodyGroupCount), enr.WithEntry(keyNfd, next[:]))
}

// forkID returns the eth2 entry of a record.
func forkID(r loader) (ForkID, error) {
	var b []byte
	if err := r.Load(enr.WithEntry(keyEth2, &b)); err != nil {
		return ForkID{}, err
	}
	return DecodeForkID(b)
}

// A loader is a record.
type loader interface{ Load(enr.Entry) error }
