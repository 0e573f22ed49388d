package plugin

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/internal/field"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// metaData returns what metadata and ping requests are answered from. Of a chain that is no source of data columns it
// announces the custody that the specs require of every node.
func (s *Service) metaData(n *ssz.Network, chain beacon.Chain) (func() ssz.MetaDataV3, error) {
	count, least := s.cfg.Custody, n.Config().CustodyRequirement
	switch {
	case s.cfg.MetaData != nil:
		return s.cfg.MetaData, nil
	case count > 0 && count < least:
		return nil, fmt.Errorf("plugin: Config.%w", field.Errorf("Custody", "is %d, want at least %d, CUSTODY_REQUIREMENT",
			count, least))
	case count == 0, chain.Sources().Columns == nil:
		count = least
	}
	return func() ssz.MetaDataV3 { return ssz.MetaDataV3{CustodyGroupCount: count} }, nil
}

// setCustody sets the columns that peers expect of this node in the embedded store, if there is one, so that the
// earliest available slot is after what lacks one of them. Of a host without a secp256k1 key peers expect none.
func (r *running) setCustody(groups uint64) {
	if r.store == nil {
		return
	}
	if id, err := beacon.NodeIDOf(r.host.ID()); err == nil {
		r.store.SetCustody(beacon.CustodyColumns(id, groups))
	}
}
