package beacon_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"reflect"
	"runtime"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
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

func methods(f *beacon.Family) []method {
	return []method{
		{idStatusV1, f.StatusV1.Spec(), &ssz.StatusV1{}, &ssz.StatusV1{}},
		{idStatusV2, f.StatusV2.Spec(), &beacon.Status{}, &beacon.Status{}},
		{idGoodbye, f.Goodbye.Spec(), new(ssz.Goodbye), new(ssz.Goodbye)},
		{idPing, f.Ping.Spec(), new(ssz.Ping), new(ssz.Ping)},
		{idMetaDataV2, f.MetaDataV2.Spec(), &beacon.Empty{}, &ssz.MetaDataV2{}},
		{idMetaDataV3, f.MetaDataV3.Spec(), &beacon.Empty{}, &ssz.MetaDataV3{}},
		{idByRange, f.BlocksByRange.Spec(), &beacon.BlocksByRangeRequest{}, &beacon.Block{}},
		{idByRoot, f.BlocksByRoot.Spec(), &beacon.BlocksByRootRequest{}, &beacon.Block{}},
	}
}

func zero(v any) any { return reflect.New(reflect.TypeOf(v).Elem()).Interface() }

func (m *method) readRequest(wire []byte) (any, error) {
	req := zero(m.request)
	return req, m.spec.Codec.ReadRequest(bufio.NewReader(bytes.NewReader(wire)), m.id, m.spec.Limits.MaxRequest, req)
}

func TestTheFamilysProtocols(t *testing.T) {
	t.Parallel()
	for _, m := range methods(beacon.NewFamily(devNetwork())) {
		if len(m.spec.Protocols) != 1 || m.spec.Protocols[0] != m.id {
			t.Errorf("got %q, want %q", m.spec.Protocols, m.id)
		}
	}
}

func FuzzReadRequest(f *testing.F) {
	all := methods(beacon.NewFamily(devNetwork()))
	index := func(id protocol.ID) (i uint8) {
		for all[i].id != id {
			i++
		}
		return i
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
		again, err := m.spec.Codec.AppendRequest(nil, m.id, req)
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
	all := methods(beacon.NewFamily(devNetwork()))
	for i, m := range all {
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
			err = m.spec.Codec.ReadResponse(r, m.id, m.spec.Limits.MaxResponse, resp)
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
	wire, err := m.spec.Codec.(reqresp.ErrorCodec).AppendError(nil, m.id, e)
	if err != nil || !e.Remote || !bytes.Equal(wire, result(byte(e.Code), []byte(e.Message))) {
		t.Errorf("%s: %v became %x, %v", m.id, e, wire, err)
	}
}

func checkResponse(t *testing.T, m *method, resp any) {
	t.Helper()
	var wire []byte
	if b, ok := resp.(*beacon.Block); ok {
		if n, err := snappy.CheckFrames(b.Frames); err != nil || n != len(b.SSZ) {
			t.Errorf("%s: frames of %d bytes, %v, want %d", m.id, n, err, len(b.SSZ))
		}
		wire = chunk(b)
	} else {
		wire = must(m.spec.Codec.AppendResponse(nil, m.id, resp))
	}
	again := zero(m.resp)
	err := m.spec.Codec.ReadResponse(bufio.NewReader(bytes.NewReader(wire)), m.id, m.spec.Limits.MaxResponse, again)
	if err != nil || !reflect.DeepEqual(again, resp) {
		t.Errorf("%s: %+v became %+v, %v", m.id, resp, again, err)
	}
}

// Memory grows with what was received, not with what was announced.
func TestClaimsTakeNoMemory(t *testing.T) {
	f := beacon.NewFamily(devNetwork())
	digest := devBlock(60).Digest
	claim := join([]byte{0}, digest[:], unhex("80808005 ff060000734e61507059 01 f0ff00"), make([]byte, 100))
	spec := f.BlocksByRange.Spec()
	const rounds = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		r := bufio.NewReaderSize(bytes.NewReader(claim), 1<<10)
		err := spec.Codec.ReadResponse(r, idByRange, spec.Limits.MaxResponse, new(beacon.Block))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("got %v", err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 128<<10 {
		t.Errorf("%d bytes were taken for %d that came", each, len(claim))
	}
}
