package requestresponse_test

import "github.com/seed-2dd5877b/reqresp/protocols/internal/reqresptest"

// What these tests share with those of package reqresp.
type (
	Text          = reqresptest.Text
	textCodec     = reqresptest.TextCodec
	brokenCodec   = reqresptest.BrokenCodec
	simulation    = reqresptest.Simulation
	transport     = reqresptest.Transport
	journal       = reqresptest.Journal
	recordingHost = reqresptest.RecordingHost
)

var (
	errCodec      = reqresptest.ErrCodec
	fails         = reqresptest.Fails
	panics        = reqresptest.Panics
	brokenEcho    = reqresptest.BrokenEcho
	simulate      = reqresptest.Simulate
	family        = reqresptest.Family
	plain         = reqresptest.Plain
	echo          = reqresptest.Echo
	notice        = reqresptest.Notice
	echoed        = reqresptest.Echoed
	serve         = reqresptest.Serve
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
	version       = reqresptest.Version
	speaks        = reqresptest.Speaks
	connectTwice  = reqresptest.ConnectTwice
	prefer        = reqresptest.Prefer
)

const roundTrip = reqresptest.RoundTrip
