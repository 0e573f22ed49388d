package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/node"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// The error for a peer that reads the status request and never answers says so.
func TestAPeerThatDoesNotTellItsStatus(t *testing.T) {
	t.Parallel()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.DisableRelay())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer h.Close()
	defer close(ended)
	for _, version := range []string{"1", "2"} {
		h.SetStreamHandler(protocol.ID("/eth2/beacon_chain/req/status/"+version+"/ssz_snappy"), func(s network.Stream) {
			<-ended
			_ = s.Reset()
		})
	}
	args := []string{"sync", "--datadir", t.TempDir(), fmt.Sprintf("%v/p2p/%v", h.Addrs()[0], h.ID())}
	o := runCLI(t, append(args, devNetwork(t)...)...)
	if o.code != exitFailed || strings.Contains(o.stderr, "(local)") || !strings.Contains(o.stderr, "timeout") {
		t.Errorf("exit code %d: %s", o.code, o.stderr)
	}
}

func TestWhatAStopHasFailedWithIsToldWithoutTypes(t *testing.T) {
	t.Parallel()
	first := errors.New("the disk is full")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, "<nil>"},
		{first, first.Error()},
		{&node.StopError{Services: map[reflect.Type]error{reflect.TypeFor[int](): first}}, first.Error()},
		{&node.StopError{Server: errors.New("no server"), Services: map[reflect.Type]error{}}, "no server"},
	} {
		if got := fmt.Sprint(explainStop(tt.err)); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
