package reqresp_test

import "github.com/seed-2dd5877b/reqresp/protocols/internal/reqresptest"

// What these tests share with those of package requestresponse.
type (
	Text          = reqresptest.Text
	Count         = reqresptest.Count
	Unsendable    = reqresptest.Unsendable
	plainCodec    = reqresptest.PlainCodec
	textCodec     = reqresptest.TextCodec
	brokenCodec   = reqresptest.BrokenCodec
	simulation    = reqresptest.Simulation
	transport     = reqresptest.Transport
	journal       = reqresptest.Journal
	recordingHost = reqresptest.RecordingHost
)

var (
	errCodec      = reqresptest.ErrCodec
	errTooLong    = reqresptest.ErrTooLong
	errUnsendable = reqresptest.ErrUnsendable
	fails         = reqresptest.Fails
	brokenEcho    = reqresptest.BrokenEcho
	simulate      = reqresptest.Simulate
	simulateAt    = reqresptest.SimulateAt
	family        = reqresptest.Family
	plain         = reqresptest.Plain
	echo          = reqresptest.Echo
	counter       = reqresptest.Counter
	version       = reqresptest.Version
	notice        = reqresptest.Notice
	speaks        = reqresptest.Speaks
	connectTwice  = reqresptest.ConnectTwice
	prefer        = reqresptest.Prefer
	echoed        = reqresptest.Echoed
	counted       = reqresptest.Counted
	serve         = reqresptest.Serve
	serveRaw      = reqresptest.ServeRaw
	openRaw       = reqresptest.OpenRaw
	newPeerID     = reqresptest.NewPeerID
	drain         = reqresptest.Drain
	remoteReset   = reqresptest.RemoteReset
	wantFailure   = reqresptest.WantFailure
	wantVerdict   = reqresptest.WantVerdict
	transports    = reqresptest.Transports
	eachTransport = reqresptest.EachTransport
	relayed       = reqresptest.Relayed
	twoHosts      = reqresptest.TwoHosts
	held          = reqresptest.Held
	streams       = reqresptest.Streams
	connect       = reqresptest.Connect
)

const roundTrip = reqresptest.RoundTrip

// collect ranges over a call to its end.
func collect[T any](seq func(func(*T, error) bool)) (all []T, err error) {
	for v, err := range seq {
		if err != nil {
			return all, err
		}
		all = append(all, *v)
	}
	return all, nil
}
