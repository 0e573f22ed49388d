package beaconapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beaconapi"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// TestFinalizedIsWhatAllNodesHave has nodes of which some are an epoch behind, or of another chain.
func TestFinalizedIsWhatAllNodesHave(t *testing.T) {
	right, behind := blockAt(192).Root, blockAt(184).Root
	for name, test := range map[string]struct {
		finalized []beaconapi.Checkpoint
		want      beaconapi.Checkpoint
		err       error
		disagree  int // the node whose chain does not have the checkpoint, plus 1
	}{
		"one":              {[]beaconapi.Checkpoint{{24, right}}, beaconapi.Checkpoint{Epoch: 24, Root: right}, nil, 0},
		"two that agree":   {[]beaconapi.Checkpoint{{24, right}, {24, right}}, beaconapi.Checkpoint{Epoch: 24, Root: right}, nil, 0},
		"one behind":       {[]beaconapi.Checkpoint{{24, right}, {23, behind}}, beaconapi.Checkpoint{Epoch: 23, Root: behind}, nil, 0},
		"another chain":    {[]beaconapi.Checkpoint{{24, right}, {24, ssz.Root{1}}}, beaconapi.Checkpoint{}, nil, 2},
		"another, behind":  {[]beaconapi.Checkpoint{{24, right}, {24, right}, {20, ssz.Root{1}}}, beaconapi.Checkpoint{}, nil, 1},
		"no nodes":         {nil, beaconapi.Checkpoint{}, nil, 0},
		"nothing is final": {[]beaconapi.Checkpoint{{24, right}, {}}, beaconapi.Checkpoint{}, beaconapi.ErrNotFinalized, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var clients []*beaconapi.Client
			for _, p := range test.finalized {
				n := newNode(t)
				n.finalize(p.Epoch, p.Root)
				clients = append(clients, n.client(t))
			}
			got, err := beaconapi.Finalized(t.Context(), clients...)
			if got != test.want || test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("%v, %v, want %v, %v", got, err, test.want, test.err)
			}
			e, ok := errors.AsType[*beaconapi.DisagreementError](err)
			if ok != (test.disagree > 0) {
				t.Fatalf("%v", err)
			}
			if ok && e.Not != clients[test.disagree-1].URL() {
				t.Errorf("%v, want a disagreement of %s", err, clients[test.disagree-1].URL())
			}
			if err == nil && test.want == (beaconapi.Checkpoint{}) {
				t.Error("no error")
			}
		})
	}
}

// TestFinalizedNamesTheNodeThatFails has one that is gone.
func TestFinalizedNamesTheNodeThatFails(t *testing.T) {
	good, gone := newNode(t), newNode(t)
	gone.Close()
	_, err := beaconapi.Finalized(t.Context(), good.client(t), gone.client(t))
	if err == nil || !strings.HasPrefix(err.Error(), gone.URL) {
		t.Errorf("%v, want one of %s", err, gone.URL)
	}
}

func TestHeaderOfAnotherBlockIsMalformed(t *testing.T) {
	n := newNode(t)
	root := blockAt(40).Root
	n.answer("/eth/v1/beacon/headers/"+root.String(), `{"data":{"root":"`+blockAt(41).Root.String()+`","canonical":true}}`)
	if _, err := n.client(t).IsCanonical(t.Context(), root); !errors.Is(err, beaconapi.ErrMalformed) {
		t.Errorf("%v", err)
	}
	n.answer("/eth/v1/beacon/headers/"+root.String(), `{"data":{"root":"`+root.String()+`","canonical":false}}`)
	if ok, err := n.client(t).IsCanonical(t.Context(), root); ok || err != nil {
		t.Errorf("orphan is canonical: %t, %v", ok, err)
	}
}
