package beaconapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beaconapi"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon/beacontest"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestNetworkIsThatOfTheNode(t *testing.T) {
	got, err := newNode(t).client(t).Network(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := beacontest.FuluNetwork()
	if !slices.Equal(got.Periods(), want.Periods()) || !got.GenesisTime().Equal(want.GenesisTime()) ||
		got.GenesisValidatorsRoot() != want.GenesisValidatorsRoot() {
		t.Errorf("periods %v, genesis %v, want %v", got.Periods(), got.GenesisTime(), want.Periods())
	}
}

func TestBlocksAreAskedForByID(t *testing.T) {
	c := newNode(t).client(t)
	for id, slot := range map[beaconapi.ID]ssz.Slot{
		beaconapi.HeadID: 215, beaconapi.FinalizedID: 192, beaconapi.GenesisID: 0,
		beaconapi.BySlot(40): 40, beaconapi.ByRoot(blockAt(90).Root): 90,
	} {
		got, err := c.Block(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if want := blockAt(slot); !bytes.Equal(got.SSZ, want.SSZ) || got.Fork != beacontest.Fulu().Fork(slot) {
			t.Errorf("%s: %d bytes of %v, want the block of slot %d", id, len(got.SSZ), got.Fork, slot)
		}
	}
	if _, err := c.Block(t.Context(), beaconapi.ByRoot(ssz.Root{1})); !errors.Is(err, beaconapi.ErrNotFound) {
		t.Errorf("unknown root: %v", err)
	}
}

// TestIDsDoNotLeaveTheirPath has IDs that would be other paths.
func TestIDsDoNotLeaveTheirPath(t *testing.T) {
	n := newNode(t)
	for _, id := range []beaconapi.ID{"../../v1/beacon/genesis", "head?x=1", "a/b"} {
		_, _ = n.client(t).Block(t.Context(), id)
	}
	for _, path := range n.asked {
		if !strings.HasPrefix(path, "/eth/v2/beacon/blocks/") || strings.Count(path, "/") != 5 {
			t.Errorf("asked for %s", path)
		}
	}
}

func TestSidecarsAreSplit(t *testing.T) {
	c, n := newNode(t).client(t), beacontest.FuluNetwork()
	chain := beacontest.Fulu()
	for name, test := range map[string]struct {
		call    func(context.Context, *ssz.Network, beaconapi.ID, ...uint64) ([]beaconapi.Object, error)
		of      []*beacontest.Item
		slot    ssz.Slot
		indices []uint64
		want    int
	}{
		"blobs":         {c.BlobSidecars, chain.Blobs, chain.Blobs[0].Slot, nil, -1},
		"one blob":      {c.BlobSidecars, chain.Blobs, chain.Blobs[0].Slot, []uint64{0}, 1},
		"no blobs":      {c.BlobSidecars, chain.Blobs, 1, nil, 0},
		"columns":       {c.DataColumnSidecars, chain.Columns, 214, nil, 128},
		"some columns":  {c.DataColumnSidecars, chain.Columns, 214, []uint64{3, 70, 127}, 3},
		"columns of no": {c.DataColumnSidecars, chain.Columns, 200, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.call(t.Context(), n, beaconapi.BySlot(test.slot), test.indices...)
			if err != nil {
				t.Fatal(err)
			}
			var indices []string
			for _, i := range test.indices {
				indices = append(indices, fmt.Sprint(i))
			}
			want := sidecarsOf(test.of, blockAt(test.slot), indices)
			if test.want >= 0 && len(want) != test.want || len(got) != len(want) {
				t.Fatalf("%d sidecars, want %d", len(got), len(want))
			}
			for i, o := range got {
				if !bytes.Equal(o.SSZ, want[i].SSZ) || o.Fork != chain.Fork(test.slot) {
					t.Errorf("sidecar %d is another one", i)
				}
			}
		})
	}
}

func TestMalformedListsAreRefused(t *testing.T) {
	n := newNode(t)
	for name, b := range map[string][]byte{
		"no whole offset":   {1, 2, 3},
		"offset of 0":       {0, 0, 0, 0},
		"offset beyond":     {8, 0, 0, 0, 0xff, 0, 0, 0, 1},
		"offsets backwards": {8, 0, 0, 0, 4, 0, 0, 0, 1},
		"empty elements":    {8, 0, 0, 0, 8, 0, 0, 0},
	} {
		n.handlers["/eth/v1/debug/beacon/data_column_sidecars/head"] = func(w http.ResponseWriter, _ *http.Request) {
			n.ssz(w, 200, b)
		}
		_, err := n.client(t).DataColumnSidecars(t.Context(), beacontest.FuluNetwork(), beaconapi.HeadID)
		if !errors.Is(err, beaconapi.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestStateStreams(t *testing.T) {
	n := newNode(t)
	const size = 100 << 20
	n.handlers["/eth/v2/debug/beacon/states/finalized"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Eth-Consensus-Version", "fulu")
		for range 100 {
			if _, err := w.Write(make([]byte, size/100)); err != nil {
				return
			}
		}
	}
	fork, state, err := n.client(t).State(t.Context(), beaconapi.FinalizedID)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	if got, err := io.Copy(io.Discard, state); err != nil || got != size || fork != ssz.Fulu {
		t.Errorf("%d bytes of %v: %v", got, fork, err)
	}
}

// TestBadAnswersAreToldApart replaces an answer.
func TestBadAnswersAreToldApart(t *testing.T) {
	const genesis, block = "/eth/v1/beacon/genesis", "/eth/v2/beacon/blocks/head"
	type headers map[string]string
	sszHeaders := headers{"Content-Type": "application/octet-stream", "Eth-Consensus-Version": "fulu"}
	jsonHeaders := headers{"Content-Type": "application/json"}
	forkHeaders := headers{"Content-Type": "application/json", "Eth-Consensus-Version": "fulu"}
	for name, test := range map[string]struct {
		path   string
		h      headers
		status int
		body   string
		want   error
	}{
		"not JSON":            {genesis, jsonHeaders, 200, "hello", beaconapi.ErrMalformed},
		"no data":             {genesis, jsonHeaders, 200, "{}", beaconapi.ErrMalformed},
		"empty data":          {genesis, jsonHeaders, 200, `{"data":{}}`, beaconapi.ErrMalformed},
		"a number for a root": {genesis, jsonHeaders, 200, `{"data":{"genesis_validators_root":5}}`, beaconapi.ErrMalformed},
		"HTML":                {genesis, headers{"Content-Type": "text/html"}, 200, "<html>", beaconapi.ErrMalformed},
		"JSON for SSZ":        {block, forkHeaders, 200, `{"data":{}}`, beaconapi.ErrMalformed},
		"no fork":             {block, headers{"Content-Type": "application/octet-stream"}, 200, "x", beaconapi.ErrMalformed},
		"too much JSON":       {genesis, jsonHeaders, 200, strings.Repeat(" ", 1<<20+1), beaconapi.ErrTooLarge},
		"too large a block":   {block, sszHeaders, 200, strings.Repeat("x", 10<<20+1), beaconapi.ErrTooLarge},
		"not found":           {block, jsonHeaders, 404, `{"code":404,"message":"gone"}`, beaconapi.ErrNotFound},
		"no content":          {block, sszHeaders, 204, "", nil},
		"an error":            {block, jsonHeaders, 500, "oops", nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.handlers[test.path] = func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range test.h {
					w.Header().Set(k, v)
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}
			_, err := n.client(t).Block(t.Context(), beaconapi.HeadID)
			if test.path == genesis {
				_, err = n.client(t).Genesis(t.Context())
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			e, ok := errors.AsType[*beaconapi.StatusError](err)
			if ok != (test.status != 200) || ok && e.Code != test.status {
				t.Errorf("%v, want one of status %d", err, test.status)
			}
		})
	}
}

func TestMessagesOfErrorsAreBounded(t *testing.T) {
	n := newNode(t)
	for body, want := range map[string]string{
		`{"code":400,"message":"bad \u001b id"}`: "bad \x1b id",
		"plain":                                  "plain",
		"":                                       "",
		strings.Repeat("x", 2<<20):               strings.Repeat("x", 256),
	} {
		n.handlers["/eth/v1/beacon/genesis"] = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		}
		_, err := n.client(t).Genesis(t.Context())
		e, ok := errors.AsType[*beaconapi.StatusError](err)
		if !ok || e.Message != want {
			t.Errorf("%v, want the message %q", err, want)
		} else if strings.ContainsRune(e.Error(), 0x1b) {
			t.Errorf("error has an escape sequence: %q", e)
		}
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, base := range []string{"", "localhost:5052", "ftp://host", "http://", "http://a b", "/eth", "://x"} {
		if _, err := beaconapi.New(base, nil); err == nil || !strings.Contains(err.Error(), "http://localhost:5052") {
			t.Errorf("%q: %v", base, err)
		}
	}
}

// TestURLWithPathAndPassword has a node behind a proxy.
func TestURLWithPathAndPassword(t *testing.T) {
	n := newNode(t)
	n.handlers["/node/eth/v1/beacon/genesis"] = func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
			t.Errorf("user %q, password %q", user, password)
		}
		n.handlers["/eth/v1/beacon/genesis"](w, r)
	}
	c, err := beaconapi.New(strings.Replace(n.URL, "http://", "http://me:secret@", 1)+"/node/", n.Client())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Genesis(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Contains(c.URL(), "secret") {
		t.Errorf("URL %s shows the password", c.URL())
	}
	_, err = c.Checkpoint(t.Context())
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// A silentNode answers with headers and a byte, or not even with them, and sends nothing then.
type silentNode struct{ headers http.Header }

func (s silentNode) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.headers == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: 200, Header: s.headers, Body: &silence{ctx: r.Context()}, Request: r}, nil
}

type silence struct {
	ctx  context.Context
	sent bool
}

func (s *silence) Read(b []byte) (int, error) {
	if !s.sent {
		s.sent, b[0] = true, ':'
		return 1, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (*silence) Close() error { return nil }

func TestSilentNodesAreGivenUp(t *testing.T) {
	header := func(contentType string) http.Header {
		return http.Header{"Content-Type": {contentType}, "Eth-Consensus-Version": {"fulu"}}
	}
	heads := func(c *beaconapi.Client) (err error) {
		for _, err = range c.Heads(context.Background()) {
		}
		return err
	}
	for name, test := range map[string]struct {
		headers http.Header
		call    func(c *beaconapi.Client) error
		after   time.Duration
	}{
		"no answer": {nil, func(c *beaconapi.Client) error {
			_, err := c.Genesis(context.Background())
			return err
		}, 30 * time.Second},
		"no body": {header("application/octet-stream"), func(c *beaconapi.Client) error {
			_, err := c.Block(context.Background(), beaconapi.HeadID)
			return err
		}, 30 * time.Second},
		"no state": {header("application/octet-stream"), func(c *beaconapi.Client) error {
			_, state, err := c.State(context.Background(), beaconapi.HeadID)
			if err != nil {
				return err
			}
			defer state.Close()
			for err == nil {
				time.Sleep(time.Hour) // the caller takes its time
				_, err = state.Read(make([]byte, 1))
			}
			return err
		}, 2*time.Hour + 30*time.Second},
		"no events":         {header("text/event-stream"), heads, 2 * time.Minute},
		"no answer, events": {nil, heads, 2 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := beaconapi.New("http://node", &http.Client{Transport: silentNode{test.headers}})
				if err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if err := test.call(c); !errors.Is(err, beaconapi.ErrStalled) {
					t.Errorf("%v", err)
				}
				if got := time.Since(start); got != test.after {
					t.Errorf("given up after %v, want %v", got, test.after)
				}
			})
		})
	}
}

func TestCallsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, err := beaconapi.New("http://node", &http.Client{Transport: silentNode{}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Genesis(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
