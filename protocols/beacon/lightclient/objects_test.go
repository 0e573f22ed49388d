package lightclient_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/lightclient"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A lightChain is a chain without blocks that serves light client objects.
type lightChain struct {
	beacon.Chain
	objects *lightclient.Objects
}

func (c lightChain) Sources() beacon.Sources { return beacon.Sources{LightClient: c.objects} }

func (c lightChain) AppendFrames(ctx context.Context, ref beacon.Ref, dst []byte) ([]byte, error) {
	return c.objects.AppendFrames(ctx, ref, dst)
}

// TestObjectsServeOtherLightClients has a second client ask the first.
func TestObjectsServeOtherLightClients(t *testing.T) {
	n := beacontest.FuluNetwork()
	objects, err := lightclient.NewObjects(t.Context(), n, nil)
	if err != nil {
		t.Fatal(err)
	}
	chains := []beacon.Chain{beacontest.Fulu(), lightChain{beacontest.Fulu(), objects}}
	simulate(t, chains, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		opts := &lightclient.ClientOptions{Objects: objects}
		first := lightclient.NewClient(n, client, trustedRoot(), always(peers[0]), opts)
		if err := first.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := lightclient.NewClient(n, client, trustedRoot(), always(peers[1]), nil)
		if err := second.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkInStep(t, second.View())
	})
}

// A disk is a backend.
type disk struct {
	records map[lightclient.Key]lightclient.Record
	err     error
}

func newDisk() *disk { return &disk{records: make(map[lightclient.Key]lightclient.Record)} }

func (d *disk) Records(context.Context) iter.Seq2[lightclient.Record, error] {
	return func(yield func(lightclient.Record, error) bool) {
		for _, r := range d.records {
			if !yield(r, nil) {
				return
			}
		}
		if d.err != nil {
			yield(lightclient.Record{}, d.err)
		}
	}
}

func (d *disk) Put(_ context.Context, r lightclient.Record) error {
	if d.err == nil {
		d.records[r.Key] = r
	}
	return d.err
}

func (d *disk) Delete(_ context.Context, k lightclient.Key) error {
	delete(d.records, k)
	return d.err
}

func objectsOf(t *testing.T, n *ssz.Network, d *disk) *lightclient.Objects {
	t.Helper()
	o, err := lightclient.NewObjects(t.Context(), n, d)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestClientGoesOnWithWhatWasKept has a second client begin without peers.
func TestClientGoesOnWithWhatWasKept(t *testing.T) {
	n, d := beacontest.FuluNetwork(), newDisk()
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		opts := &lightclient.ClientOptions{Objects: objectsOf(t, n, d)}
		if err := lightclient.NewClient(n, client, trustedRoot(), always(peers...), opts).Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		opts.Objects = objectsOf(t, n, d)
		c := lightclient.NewClient(n, client, trustedRoot(), always(), opts)
		if err := c.Sync(t.Context()); !errors.Is(err, lightclient.ErrNotServed) {
			t.Errorf("%v", err)
		}
		checkInStep(t, c.View())
	})
	if len(d.records) != 1+3+2 {
		t.Errorf("%d records: want a bootstrap, 3 updates and the latest 2", len(d.records))
	}
}

// TestDamagedRecordsAreDropped changes each record, so that it is no object or another one than its key says.
func TestDamagedRecordsAreDropped(t *testing.T) {
	n, r := beacontest.FuluNetwork(), minimalRecording()
	good := newDisk()
	o := objectsOf(t, n, good)
	if err := o.PutBootstrap(t.Context(), bootstrapOf(t, n, r.bootstraps[0])); err != nil {
		t.Fatal(err)
	}
	for _, u := range r.all(t) {
		if err := o.PutUpdate(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*lightclient.Record){
		"truncated":       func(r *lightclient.Record) { r.Frames = r.Frames[:len(r.Frames)-1] },
		"empty":           func(r *lightclient.Record) { r.Frames = nil },
		"another fork":    func(r *lightclient.Record) { r.Fork = ssz.Altair },
		"a block":         func(r *lightclient.Record) { r.Key.Kind = beacon.KindBlock },
		"an unknown kind": func(r *lightclient.Record) { r.Key.Kind = 99 },
		"another key":     func(r *lightclient.Record) { r.Key.Period, r.Key.Root = 77, ssz.Root{7} },
		"not canonical": func(r *lightclient.Record) {
			r.Frames = slices.Concat(r.Frames, snappy.AppendFrames(nil, []byte{1})[:10])
		},
	} {
		damaged := newDisk()
		for _, r := range good.records {
			change(&r)
			damaged.records[r.Key] = r
		}
		o := objectsOf(t, n, damaged)
		if len(damaged.records) != 0 {
			t.Errorf("%s: %d records are still there", name, len(damaged.records))
		}
		if _, err := o.LightClientFinalityUpdate(t.Context()); !errors.Is(err, beacon.ErrUnavailable) {
			t.Errorf("%s: finality update: %v", name, err)
		}
	}
}

func TestErrorsOfTheBackendEndASync(t *testing.T) {
	n := beacontest.FuluNetwork()
	simulate(t, []beacon.Chain{beacontest.Fulu()}, func(t *testing.T, client *beacon.Client, peers []peer.ID) {
		d := newDisk()
		opts := &lightclient.ClientOptions{Objects: objectsOf(t, n, d)}
		d.err = errors.New("disk full")
		if err := lightclient.NewClient(n, client, trustedRoot(), always(peers...), opts).Sync(t.Context()); err != d.err {
			t.Errorf("%v, want %v", err, d.err)
		}
	})
	d := newDisk()
	d.err = errors.New("disk gone")
	if _, err := lightclient.NewObjects(t.Context(), n, d); !errors.Is(err, d.err) {
		t.Errorf("%v, want %v", err, d.err)
	}
}

// TestBestUpdateOfAPeriodIsKept puts updates of which each is better than the one before, in all orders of two.
func TestBestUpdateOfAPeriodIsKept(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	earlier := w.block(w.period-8, nil)
	finalized := w.block(w.period+8, nil)
	late, early := w.block(w.period+33, finalized), w.block(w.period+32, finalized)
	ascending := []recipe{
		{attested: late, noFinality: true, noNext: true, signers: 1},
		{attested: late, finalized: finalized, signers: 20},
		{attested: late, noFinality: true, noNext: true, signers: 21},
		{attested: late, noFinality: true, noNext: true, signers: 22},
		{attested: late, noFinality: true, noNext: true},
		{attested: late, finalized: finalized, noNext: true, signers: 22},
		{attested: late, noFinality: true},
		{attested: w.block(w.period+33, earlier), finalized: earlier, signers: 22},
		{attested: late, finalized: finalized, signers: 22},
		{attested: late, finalized: finalized, slot: w.period + 40},
		{attested: late, finalized: finalized},
		{attested: early, finalized: finalized, slot: w.period + 40},
		{attested: early, finalized: finalized},
	}
	var updates []*lightclient.Update
	for _, r := range ascending {
		r.kind = full
		updates = append(updates, updateOf(t, w.Network, full, w.update(r)))
	}
	for i := range updates {
		for j := range updates {
			d := newDisk()
			o := objectsOf(t, w.Network, d)
			for _, u := range []*lightclient.Update{updates[i], updates[j]} {
				if err := o.PutUpdate(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			want := snappy.AppendFrames(nil, updates[max(i, j)].SSZ)
			ref, err := first(o.LightClientUpdates(t.Context(), 0, 10))
			if err != nil || ref.Index != 1 {
				t.Fatalf("%v: %v", ref, err)
			}
			got, err := o.AppendFrames(t.Context(), ref, nil)
			kept := d.records[lightclient.Key{Kind: full, Period: 1}].Frames
			if err != nil || !slices.Equal(got, want) || !slices.Equal(kept, want) {
				t.Errorf("update %d is kept over %d: %v", min(i, j), max(i, j), err)
			}
		}
	}
}

func first(refs iter.Seq2[beacon.Ref, error]) (beacon.Ref, error) {
	for ref, err := range refs {
		return ref, err
	}
	return beacon.Ref{}, beacon.ErrUnavailable
}

// TestUpdateSignedInTheNextPeriodIsNotKept has a committee sign the last block of the period before.
func TestUpdateSignedInTheNextPeriodIsNotKept(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	o := objectsOf(t, w.Network, newDisk())
	u := updateOf(t, w.Network, full, w.update(recipe{kind: full, attested: w.block(w.period-1, nil)}))
	if err := o.PutUpdate(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if ref, err := first(o.LightClientUpdates(t.Context(), 0, 10)); !errors.Is(err, beacon.ErrUnavailable) {
		t.Errorf("%v: %v", ref, err)
	}
}

// TestLatestUpdatesAreKept puts later and earlier ones.
func TestLatestUpdatesAreKept(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	o := objectsOf(t, w.Network, newDisk())
	for _, test := range []struct{ attested, slot, want ssz.Slot }{
		{20, 21, 20}, {19, 21, 20}, {20, 22, 20}, {22, 23, 22}, {21, 30, 22},
	} {
		r := recipe{kind: optimistic, attested: w.block(test.attested, nil), slot: test.slot}
		if err := o.PutUpdate(t.Context(), updateOf(t, w.Network, optimistic, w.update(r))); err != nil {
			t.Fatal(err)
		}
		ref, err := o.LightClientOptimisticUpdate(t.Context())
		if err != nil || ref.Slot != test.want {
			t.Errorf("after slot %d: slot %d, want %d: %v", test.attested, ref.Slot, test.want, err)
		}
	}
}

// TestUpdatesHaveNoGaps asks for ranges of periods of which one is missing.
func TestUpdatesHaveNoGaps(t *testing.T) {
	w := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0)
	o := objectsOf(t, w.Network, newDisk())
	for _, period := range []ssz.Slot{2, 3, 5} {
		u := w.update(recipe{kind: full, attested: w.block(period*w.period, nil)})
		if err := o.PutUpdate(t.Context(), updateOf(t, w.Network, full, u)); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		start, count uint64
		want         []uint64
	}{
		{0, 2, nil},
		{0, 3, []uint64{2}},
		{0, 1 << 63, []uint64{2, 3}},
		{3, 10, []uint64{3}},
		{4, 10, []uint64{5}},
		{5, 0, nil},
		{6, 10, nil},
	} {
		var got []uint64
		for ref, err := range o.LightClientUpdates(t.Context(), test.start, test.count) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ref.Index)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%d from %d: %v, want %v", test.count, test.start, got, test.want)
		}
	}
}

// TestOldObjectsAreDropped puts the updates of more periods than are kept.
func TestOldObjectsAreDropped(t *testing.T) {
	w, d := newWorld(ssz.MinimalPreset, 0, 0, 0, 0, 0), newDisk()
	o := objectsOf(t, w.Network, d)
	for period := range ssz.Slot(330) {
		u := w.update(recipe{kind: full, attested: w.block(period*w.period, nil)})
		if err := o.PutUpdate(t.Context(), updateOf(t, w.Network, full, u)); err != nil {
			t.Fatal(err)
		}
	}
	ref, err := first(o.LightClientUpdates(t.Context(), 0, 1000))
	if err != nil || ref.Index != 10 || len(d.records) != 320 {
		t.Errorf("first period %d, %d records: %v", ref.Index, len(d.records), err)
	}
	for slot := range ssz.Slot(70) {
		if err := o.PutBootstrap(t.Context(), bootstrapOf(t, w.Network, w.bootstrap(w.block(slot, nil)))); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.records) != 320+64 {
		t.Errorf("%d records", len(d.records))
	}
}
