package beacon_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A method is one protocol and the types of its messages.
type method struct {
	id            protocol.ID
	spec          *reqresp.Spec
	request, resp any // pointers
}

// methods are all rows of a family's table, in its order.
func methods(f *beacon.Family) (all []method) {
	requests := map[string]any{
		"": &struct{}{}, "StatusV1": &ssz.StatusV1{}, "StatusV2": &beacon.Status{},
		"Goodbye": new(ssz.Goodbye), "Ping": new(ssz.Ping),
		"BeaconBlocksByRangeRequest":              &ssz.BeaconBlocksByRangeRequest{},
		"BeaconBlocksByRootRequest":               &ssz.BeaconBlocksByRootRequest{},
		"BeaconBlocksByHeadRequest":               &ssz.BeaconBlocksByHeadRequest{},
		"BlobSidecarsByRangeRequest":              &ssz.BlobSidecarsByRangeRequest{},
		"BlobSidecarsByRootRequest":               &ssz.BlobSidecarsByRootRequest{},
		"DataColumnSidecarsByRangeRequest":        &ssz.DataColumnSidecarsByRangeRequest{},
		"DataColumnSidecarsByRootRequest":         &ssz.DataColumnSidecarsByRootRequest{},
		"LightClientBootstrapRequest":             &ssz.LightClientBootstrapRequest{},
		"LightClientUpdatesByRangeRequest":        &ssz.LightClientUpdatesByRangeRequest{},
		"ExecutionPayloadEnvelopesByRangeRequest": &ssz.ExecutionPayloadEnvelopesByRangeRequest{},
		"ExecutionPayloadEnvelopesByRootRequest":  &ssz.ExecutionPayloadEnvelopesByRootRequest{},
		"InclusionListsByIndicesRequest":          &ssz.InclusionListsByIndicesRequest{},
	}
	responses := map[string]any{
		"StatusV1": &ssz.StatusV1{}, "StatusV2": &beacon.Status{}, "Goodbye": new(ssz.Goodbye), "Ping": new(ssz.Ping),
		"MetaDataV1": &ssz.MetaDataV1{}, "MetaDataV2": &ssz.MetaDataV2{}, "MetaDataV3": &ssz.MetaDataV3{},
		"SignedBeaconBlock": &beacon.Block{}, "BlobSidecar": &beacon.BlobSidecar{},
		"DataColumnSidecar":    &beacon.DataColumnSidecar{},
		"LightClientBootstrap": &beacon.LightClientBootstrap{}, "LightClientUpdate": &beacon.LightClientUpdate{},
		"LightClientFinalityUpdate": &beacon.LightClientUpdate{}, "LightClientOptimisticUpdate": &beacon.LightClientUpdate{},
		"SignedExecutionPayloadEnvelope": &beacon.ExecutionPayloadEnvelope{}, "SignedInclusionList": &beacon.InclusionList{},
	}
	for _, p := range f.Protocols() {
		if requests[p.Request] == nil || responses[p.Response] == nil {
			panic(fmt.Sprintf("%s: want request %q and response %q in these tables", p.ID(), p.Request, p.Response))
		}
		all = append(all, method{p.ID(), p.Spec(), requests[p.Request], responses[p.Response]})
	}
	return all
}

func zero(v any) any { return reflect.New(reflect.TypeOf(v).Elem()).Interface() }

func (m *method) readRequest(wire []byte) (any, error) {
	req := zero(m.request)
	return req, m.spec.Codec().ReadRequest(bufio.NewReader(bytes.NewReader(wire)), m.id, m.spec.Limits().MaxRequest, req)
}

// fuzzed are the methods of the development network, and then those of the full chain's.
func fuzzed() []method {
	return append(methods(beacon.NewFamily(devNetwork())), methods(beacon.NewFamily(beacontest.Network()))...)
}

// indexOf returns which of the methods has an ID, from one on.
func indexOf(all []method, from int, id protocol.ID) uint8 {
	return uint8(from + slices.IndexFunc(all[from:], func(m method) bool { return m.id == id }))
}

func FuzzReadRequest(f *testing.F) {
	all := fuzzed()
	index := func(id protocol.ID) uint8 { return indexOf(all, 0, id) }
	for _, x := range everyAnswer() {
		f.Add(indexOf(all, len(all)/2, x.id), x.request)
	}
	for _, x := range exchanges() {
		f.Add(index(x.id), x.request)
	}
	for _, r := range malformedRequests {
		f.Add(index(r.id), r.wire)
	}
	f.Fuzz(func(t *testing.T, i uint8, wire []byte) {
		m := all[int(i)%len(all)]
		req, err := m.readRequest(wire)
		if err != nil {
			if e, ok := errors.AsType[*reqresp.Error](err); !ok || e.Code != reqresp.CodeInvalidRequest || e.Remote {
				t.Fatalf("%s: got %v, want an invalid request", m.id, err)
			}
			return
		}
		again, err := m.spec.Codec().AppendRequest(nil, m.id, req)
		if err != nil {
			t.Fatal(err)
		}
		same, err := m.readRequest(again)
		if err != nil || !reflect.DeepEqual(same, req) {
			t.Errorf("%s: %+v, from %x, became %+v, %v, from %x", m.id, req, wire, same, err, again)
		}
	})
}

func FuzzReadResponse(f *testing.F) {
	all := fuzzed()
	for _, x := range everyAnswer() {
		f.Add(indexOf(all, len(all)/2, x.id), x.want)
	}
	for _, x := range hostileAnswers() {
		f.Add(indexOf(all, len(all)/2, x.id), x.wire)
	}
	for i, m := range all[:len(all)/2] {
		for _, x := range exchanges() {
			if x.id == m.id {
				f.Add(uint8(i), x.response)
			}
		}
		if m.id == idByRange {
			for _, r := range append(hostileByRange(), truncatedByRange()...) {
				f.Add(uint8(i), r.wire)
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, wire []byte) {
		m := all[int(i)%len(all)]
		r := bufio.NewReader(bytes.NewReader(wire))
		for range 4 {
			_, err := r.Peek(1)
			atEnd := err == io.EOF
			resp := zero(m.resp)
			err = m.spec.Codec().ReadResponse(r, m.id, m.spec.Limits().MaxResponse, resp)
			if (err == io.EOF) != atEnd {
				t.Fatalf("%s: got %v where the response's end is %v", m.id, err, atEnd)
			}
			if err != nil {
				checkVerdict(t, &m, err)
				return
			}
			checkResponse(t, &m, resp)
		}
	})
}

// checkVerdict checks that a verdict read can be written.
func checkVerdict(t *testing.T, m *method, err error) {
	t.Helper()
	e, ok := errors.AsType[*reqresp.Error](err)
	if !ok || e.Message == "" {
		return
	}
	wire, err := m.spec.Codec().(reqresp.ErrorCodec).AppendError(nil, m.id, e)
	if err != nil || !e.Remote || !bytes.Equal(wire, result(byte(e.Code), []byte(e.Message))) {
		t.Errorf("%s: %v became %x, %v", m.id, e, wire, err)
	}
}

func checkResponse(t *testing.T, m *method, resp any) {
	t.Helper()
	if b, ok := resp.(*beacon.Block); ok {
		if n, err := snappy.CheckFrames(b.Frames); err != nil || n != len(b.SSZ) {
			t.Errorf("%s: frames of %d bytes, %v, want %d", m.id, n, err, len(b.SSZ))
		}
	}
	wire := must(m.spec.Codec().AppendResponse(nil, m.id, resp))
	again := zero(m.resp)
	err := m.spec.Codec().ReadResponse(bufio.NewReader(bytes.NewReader(wire)), m.id, m.spec.Limits().MaxResponse, again)
	if err != nil || !reflect.DeepEqual(again, resp) {
		t.Errorf("%s: %+v became %+v, %v", m.id, resp, again, err)
	}
}

// Memory grows with what was received, not with what was announced.
func TestClaimsTakeNoMemory(t *testing.T) {
	f := beacon.NewFamily(devNetwork())
	digest := devBlock(60).Digest
	claim := join([]byte{0}, digest[:], unhex("80808005 ff060000734e61507059 01 f0ff00"), make([]byte, 100))
	spec := row(f, "beacon_blocks_by_range", 2).Spec()
	const rounds = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		r := bufio.NewReaderSize(bytes.NewReader(claim), 1<<10)
		err := spec.Codec().ReadResponse(r, idByRange, spec.Limits().MaxResponse, new(beacon.Block))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 128<<10 {
		t.Errorf("%d bytes were taken for %d that came", each, len(claim))
	}
}
