package record_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/discovery/internal/record"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// The digests are those of the consensus specs' own functions for mainnet.
func TestForkIDsOfMainnet(t *testing.T) {
	const never = ssz.FarFutureEpoch
	n := ssz.Mainnet()
	for _, tt := range []struct {
		epoch   ssz.Epoch
		digest  string
		version byte
		next    ssz.Epoch
		nfd     string
	}{
		{0, "b5303f2a", 1, 74240, "afcaaba0"},
		{269567, "bba4da96", 4, 269568, "6a95a1a9"},
		{364032, "ad532ceb", 6, 411392, "cc2c5cdb"},
		{411391, "ad532ceb", 6, 411392, "cc2c5cdb"},
		// From fulu on, blob parameters change the digest and not the version.
		{411392, "cc2c5cdb", 6, 412672, "cb0d1acc"},
		{412672, "cb0d1acc", 6, 419072, "8c9f62fe"},
		{419072, "8c9f62fe", 6, never, "00000000"},
		{never, "8c9f62fe", 6, never, "00000000"},
	} {
		id := record.ForkIDAt(n, tt.epoch)
		want := record.ForkID{NextVersion: ssz.Version{tt.version}, NextEpoch: tt.next}
		if err := want.Digest.UnmarshalText([]byte(tt.digest)); err != nil {
			t.Fatal(err)
		}
		if id != want {
			t.Errorf("epoch %d: %+v, want %+v", tt.epoch, id, want)
		}
		if got := record.NextDigestAt(n, tt.epoch); hex.EncodeToString(got[:]) != tt.nfd {
			t.Errorf("epoch %d: next digest %v, want %s", tt.epoch, got, tt.nfd)
		}
	}
}

func TestForkIDEncoding(t *testing.T) {
	id := record.ForkID{
		Digest: ssz.ForkDigest{1, 2, 3, 4}, NextVersion: ssz.Version{5, 6, 7, 8},
		NextEpoch: 0x0807060504030201,
	}
	want := []byte{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}
	if got := id.AppendSSZ(nil); !bytes.Equal(got, want) {
		t.Errorf("encoded as %x", got)
	}
	for _, n := range []int{0, 15, 17} {
		if _, err := record.DecodeForkID(make([]byte, n)); !errors.Is(err, record.ErrForkID) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzForkID(f *testing.F) {
	f.Add(record.ForkIDAt(ssz.Mainnet(), 0).AppendSSZ(nil))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, err := record.DecodeForkID(b)
		if (err == nil) != (len(b) == 16) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err == nil && !bytes.Equal(id.AppendSSZ(nil), b) {
			t.Errorf("%x is %+v", b, id)
		}
	})
}
