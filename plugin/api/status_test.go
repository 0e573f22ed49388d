package api_test

import (
	"encoding/json"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/api"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestWhatPeersTellIsSpelledAsAllElse(t *testing.T) {
	root := ssz.Root{0xab}
	status := beacon.Status{
		ForkDigest: ssz.ForkDigest{1, 2, 3, 4}, FinalizedRoot: root, FinalizedEpoch: 5, HeadRoot: root,
		HeadSlot: 6, EarliestAvailableSlot: 7,
	}
	md := ssz.MetaDataV3{SeqNumber: 8, Attnets: [8]byte{1}, Syncnets: [1]byte{2}, CustodyGroupCount: 9}
	for _, test := range []struct {
		told any
		want string
	}{
		{
			&status, `{"forkDigest":"0x01020304","finalizedRoot":"` + root.String() + `","finalizedEpoch":5,"headRoot":"` +
				root.String() + `","headSlot":6,"earliestAvailableSlot":7}`,
		},
		{api.MetaDataOf(&md), `{"seqNumber":8,"attnets":"0x0100000000000000","syncnets":"0x02","custodyGroupCount":9}`},
		{api.MetaDataOf(nil), "null"},
	} {
		if got, err := json.Marshal(test.told); err != nil || string(got) != test.want {
			t.Errorf("%s, error %v, want %s", got, err, test.want)
		}
	}
}
