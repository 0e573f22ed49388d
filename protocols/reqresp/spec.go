package reqresp

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// Kind is how many chunks answer a request.
type Kind uint8

const (
	// KindUnary is answered by exactly one chunk.
	KindUnary Kind = iota + 1
	// KindStream is answered by zero or more chunks.
	KindStream
	// KindOneWay is not answered: the response is the end of the stream.
	KindOneWay
)

// String returns the kind's name, such as "unary".
func (k Kind) String() string {
	switch k {
	case KindUnary:
		return "unary"
	case KindStream:
		return "stream"
	case KindOneWay:
		return "one-way"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Defaults of [Limits].
const (
	DefaultMaxRequest  = 1 << 20
	DefaultMaxResponse = 10 << 20
	DefaultMaxChunks   = 1024
)

// Limits bounds one protocol. The zero value is ready: every field's zero means
// its default, and none can be unlimited.
type Limits struct {
	// MaxRequest is the largest request, in bytes of its decoded form. Zero means
	// DefaultMaxRequest.
	MaxRequest int
	// MaxResponse is the largest response chunk, in bytes of its decoded form.
	// Zero means DefaultMaxResponse.
	MaxResponse int
	// MaxChunks is the largest number of chunks a caller accepts for one request.
	// Zero means DefaultMaxChunks. It applies to streams only.
	MaxChunks int
	// Timeouts bounds each phase of an exchange.
	Timeouts Timeouts
}

func (l Limits) withDefaults(kind Kind) Limits {
	l.MaxRequest = cmp.Or(l.MaxRequest, DefaultMaxRequest)
	l.MaxResponse = cmp.Or(l.MaxResponse, DefaultMaxResponse)
	l.MaxChunks = cmp.Or(l.MaxChunks, DefaultMaxChunks)
	switch kind {
	case KindUnary:
		l.MaxChunks = 1
	case KindOneWay:
		l.MaxChunks = 0
	case KindStream:
	}
	l.Timeouts = l.Timeouts.withDefaults(kind)
	return l
}

// Defaults of [Timeouts].
const (
	DefaultDialTimeout        = 10 * time.Second
	DefaultNegotiateTimeout   = 10 * time.Second
	DefaultWriteTimeout       = 10 * time.Second
	DefaultFirstByteTimeout   = 10 * time.Second
	DefaultProgressTimeout    = 15 * time.Second
	DefaultUnaryTotalTimeout  = 60 * time.Second
	DefaultStreamTotalTimeout = 30 * time.Minute
)

// Timeouts bounds the phases of an exchange. Zero means the default of a field,
// a negative value is refused: no phase is without a bound. A call may have others
// than its protocol, see [CallOptions]; a context given to it can only shorten
// them.
type Timeouts struct {
	// Dial bounds connecting to a peer that is not connected. Default 10 s.
	Dial time.Duration
	// Negotiate bounds opening the stream and agreeing on a protocol. Default 10 s.
	Negotiate time.Duration
	// Write bounds writing one message: the request on the client, each chunk
	// on the server. A message of which the transport has taken 16 KiB or more within it gets it
	// again. So a peer has to read at least so much in each, and one that ceases to read
	// is given up after twice Write at most. Default 10 s.
	Write time.Duration
	// FirstByte bounds the client's wait, from the end of the request, for the
	// first byte of the response. Deployed clients use 5 s. Default 10 s.
	//
	// After a response timed out halfway, the next request on its connection gets twice as long:
	// what the peer has queued of the old response arrives before the new one. Each further timeout
	// doubles it again, up to eight times FirstByte, and the first byte of a response ends that.
	FirstByte time.Duration
	// Progress bounds the arrival of one message: on the server the whole request
	// with its end; on the client the wait for each chunk after the one before, and then
	// that chunk. A message of which 16 KiB or more have come within it gets it again. So one
	// that keeps arriving does not time out, and 16 KiB per Progress is the slowest that is
	// accepted: 1.1 KiB/s. Deployed servers which limit rates leave up to 10 s between chunks.
	// Default 15 s.
	Progress time.Duration
	// Total bounds the exchange from the opened stream to its end, the handler's work
	// and waits for rate limits included. Default 60 s, and 30 minutes for
	// streams: 128 chunks at one per 8 s are still within it.
	Total time.Duration
}

func (t Timeouts) withDefaults(kind Kind) Timeouts {
	total := DefaultUnaryTotalTimeout
	if kind == KindStream {
		total = DefaultStreamTotalTimeout
	}
	return t.or(Timeouts{
		Dial:      DefaultDialTimeout,
		Negotiate: DefaultNegotiateTimeout,
		Write:     DefaultWriteTimeout,
		FirstByte: DefaultFirstByteTimeout,
		Progress:  DefaultProgressTimeout,
		Total:     total,
	})
}

// or returns t with its zero fields replaced by those of u.
func (t Timeouts) or(u Timeouts) Timeouts {
	return Timeouts{
		Dial:      cmp.Or(t.Dial, u.Dial),
		Negotiate: cmp.Or(t.Negotiate, u.Negotiate),
		Write:     cmp.Or(t.Write, u.Write),
		FirstByte: cmp.Or(t.FirstByte, u.FirstByte),
		Progress:  cmp.Or(t.Progress, u.Progress),
		Total:     cmp.Or(t.Total, u.Total),
	}
}

// A Family is a group of protocols that share an ID prefix and a wire format.
// The protocol IDs are prefix/name/version/codec-name; the last element is left
// out if the codec's name is empty. For IDs of any other form see
// [Unary.WithProtocols].
type Family struct {
	// Prefix begins every protocol ID, such as "/eth2/beacon_chain/req". It is empty, or begins
	// with a slash and does not end with one.
	Prefix string
	// Codec encodes and decodes the family's messages.
	Codec Codec
}

// ID returns the protocol ID of one version of a protocol of the family.
func (f Family) ID(name string, version int) protocol.ID {
	id := f.Prefix + "/" + name + "/" + strconv.Itoa(version)
	if codec := f.Codec.Name(); codec != "" {
		id += "/" + codec
	}
	return protocol.ID(id)
}

// A Spec describes one protocol. Descriptors make it, and it never changes. It is safe for
// concurrent use.
type Spec struct {
	name   string
	kind   Kind
	ids    []protocol.ID
	codec  Codec
	limits Limits
}

// Name returns the protocol's name in its family, such as "status". The exchanges of
// all versions of a protocol count under it.
func (s *Spec) Name() string { return s.name }

// Kind returns how many chunks answer a request.
func (s *Spec) Kind() Kind { return s.kind }

// Protocols returns the protocol IDs of all versions, most preferred first. All
// of them have the same request and response types. The slice is the caller's.
func (s *Spec) Protocols() []protocol.ID { return slices.Clone(s.ids) }

// Codec returns what encodes and decodes the messages.
func (s *Spec) Codec() Codec { return s.codec }

// Limits returns the protocol's limits, with every default filled in.
func (s *Spec) Limits() Limits { return s.limits }

// newSpec panics on what only a programming mistake can cause, as descriptors
// are declared once and at start.
func newSpec(f Family, name string, kind Kind, versions []int) *Spec {
	if f.Codec == nil {
		panic(fmt.Sprintf("reqresp: protocol %q has no codec", name))
	}
	if _, whole := f.Codec.(WholeStreamCodec); whole && kind == KindStream {
		panic(fmt.Sprintf("reqresp: protocol %q: %T ends a message with its stream, which leaves no place for a second chunk",
			name, f.Codec))
	}
	if f.Prefix != "" && (f.Prefix[0] != '/' || strings.HasSuffix(f.Prefix, "/")) {
		panic(fmt.Sprintf("reqresp: protocol %q: prefix %q must begin with a slash and not end with one", name, f.Prefix))
	}
	if name == "" || len(versions) == 0 {
		panic(fmt.Sprintf("reqresp: protocol %q needs a name and at least one version", name))
	}
	ids := make([]protocol.ID, len(versions))
	for i, v := range versions {
		ids[i] = f.ID(name, v)
	}
	return &Spec{name: name, kind: kind, ids: ids, codec: f.Codec, limits: Limits{}.withDefaults(kind)}
}

func (s *Spec) withProtocols(ids []protocol.ID) *Spec {
	if len(ids) == 0 || slices.Contains(ids, "") {
		panic(fmt.Sprintf("reqresp: protocol %q: protocol IDs %q must be one or more, and none empty", s.name, ids))
	}
	c := *s
	c.ids = slices.Clone(ids)
	return &c
}

func (s *Spec) withLimits(l Limits) *Spec {
	if err := l.validate(); err != nil {
		panic(fmt.Sprintf("reqresp: protocol %q: %v", s.name, err))
	}
	c := *s
	c.limits = l.withDefaults(s.kind)
	return &c
}

// A setting is a field of options and its value, for the sake of errors about it.
type setting[T cmp.Ordered] struct {
	name  string
	value T
}

// mustNotBeNegative panics if one of the bounds in some options is, as only a programming mistake can
// cause that.
func mustNotBeNegative(options string, bounds ...setting[int]) {
	for _, b := range bounds {
		if b.value < 0 {
			panic(fmt.Sprintf("reqresp: %s.%s is %d: want at least 1, or 0 for the default", options, b.name, b.value))
		}
	}
}

func (l Limits) validate() error {
	for _, s := range []setting[int]{
		{"MaxRequest", l.MaxRequest}, {"MaxResponse", l.MaxResponse}, {"MaxChunks", l.MaxChunks},
	} {
		if s.value < 0 || s.value > math.MaxInt32 {
			return fmt.Errorf("Limits.%s is %d: want 1 to %d, or 0 for the default", s.name, s.value, math.MaxInt32)
		}
	}
	return l.Timeouts.validate()
}

func (t Timeouts) validate() error {
	for _, s := range []setting[time.Duration]{
		{"Dial", t.Dial},
		{"Negotiate", t.Negotiate},
		{"Write", t.Write},
		{"FirstByte", t.FirstByte},
		{"Progress", t.Progress},
		{"Total", t.Total},
	} {
		if s.value < 0 {
			return fmt.Errorf("Timeouts.%s is %v: want more than 0, or 0 for the default", s.name, s.value)
		}
	}
	return nil
}
