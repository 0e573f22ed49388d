package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// A Severity is how strongly the specs word a rule.
type Severity uint8

const (
	// Must is a rule that the specs word with MUST or MUST NOT.
	Must Severity = iota
	// Should is a rule that they word with SHOULD or SHOULD NOT.
	Should
	// May is a choice that they leave to the server. Most of these cannot be observed from outside.
	May
)

// String returns MUST, SHOULD or MAY.
func (s Severity) String() string { return [...]string{"MUST", "SHOULD", "MAY"}[min(s, May)] }

// A Rule is a rule of the specs for one protocol, with the request that shows whether a peer keeps it.
type Rule struct {
	// ID names the rule.
	ID string
	// Method and Version name the protocol.
	Method  string
	Version int
	// Asked describes the request and Expected the answer that keeps the rule. If the rule is left out, Asked may be
	// empty, and Expected describes the rule.
	Asked, Expected string
	// Severity is how the specs word the rule.
	Severity Severity
	// Spec is the section of the consensus specs with the rule, as a path in their repository.
	Spec string
	// Rough reports whether the request itself breaks a rule. Such requests are sent late, as they may cost score.
	Rough bool
	// Hostile reports whether deployed clients penalize or ban for the request. It is sent only if [Options] allow
	// it, from an identity of its own.
	Hostile bool
	// LeftOut is why the rule is never tried. It is empty if it is tried.
	LeftOut string

	try     trier
	sampled bool // a sample shows whether it is kept
	parts   bool // the peer hangs up
}

// A trial is a rule that is tried in a session.
type trial struct {
	*session
	*Rule
	row *beacon.Protocol // the rule's
}

// A trier tries a rule and returns what was seen. Its error says how the rule was broken, or, if it is a skipped,
// why it could not be tried.
type trier func(ctx context.Context, t *trial) (saw string, err error)

// An Outcome is the outcome of a rule.
type Outcome uint8

const (
	// Pass is a rule that was kept.
	Pass Outcome = iota
	// Fail is a rule that was broken.
	Fail
	// Skip is a rule that could not be tried.
	Skip
	// LeftOut is a rule that was not tried: it cannot be observed from outside, or needs a hostile request.
	LeftOut
)

// String returns pass, FAIL, skip or out.
func (o Outcome) String() string { return [...]string{"pass", "FAIL", "skip", "out"}[min(o, LeftOut)] }

// A Result is the result of one rule.
type Result struct {
	// Rule is the rule. It must not be changed.
	Rule *Rule
	// Outcome is the rule's outcome.
	Outcome Outcome
	// Saw describes the peer's answer, or says why the rule was skipped or left out.
	Saw string
	// Identity is the host of Options.Hostile that sent the request. It is empty if the host given to [Run] did.
	Identity peer.ID
	// Banned describes how the peer banned that identity. It is empty if it did not.
	Banned string
}

// saw tells what was seen, of a ban as well.
func (r *Result) saw() string {
	if r.Banned == "" {
		return r.Saw
	}
	return fmt.Sprintf("%s; it has banned %v: %s", r.Saw, r.Identity, r.Banned)
}

// skipped is the error of a rule that cannot be tried.
type skipped string

func (s skipped) Error() string { return string(s) }

// broken returns the error of a rule that was broken.
func broken(format string, args ...any) error { return fmt.Errorf(format, args...) }

// judge returns what was seen, and an error that says it if it was not good. It passes on an error of the request.
func judge(saw string, err error, good bool) (string, error) {
	if err == nil && !good {
		err = broken("%s", saw)
	}
	return saw, err
}

// rows reports whether a demand is of a protocol.
type rows func(*beacon.Protocol) bool

// A demand is what the specs demand of some protocols: a rule for each of them.
type demand struct {
	Rule
	of             rows
	rough, hostile rows // of which the rule is; nil means of none
}

func must(id string, of rows, try trier, asked, expected string) demand {
	return demand{Rule: Rule{ID: id, Severity: Must, Asked: asked, Expected: expected, try: try}, of: of}
}

func should(id string, of rows, try trier, asked, expected string) demand {
	d := must(id, of, try, asked, expected)
	d.Severity = Should
	return d
}

func may(id string, of rows, try trier, asked, expected string) demand {
	d := must(id, of, try, asked, expected)
	d.Severity = May
	return d
}

// untried is a demand that is not tried, for a reason.
func untried(severity Severity, id string, of rows, expected, reason string) demand {
	return demand{Rule: Rule{ID: id, Severity: severity, Expected: expected, LeftOut: reason}, of: of}
}

func (d demand) withSample() demand { d.sampled = true; return d }

func (d demand) withRough(of, hostile rows) demand { d.rough, d.hostile = of, hostile; return d }

func (d demand) withHostile() demand { d.hostile = all; return d }

func (d demand) withParting() demand { d.hostile, d.parts = all, true; return d }

// rule returns the demand's rule of one protocol.
func (d demand) rule(p *beacon.Protocol) Rule {
	is := func(of rows) bool { return of != nil && of(p) }
	r := d.Rule
	r.Method, r.Version, r.Spec = p.Name, p.Version, specOf(d.ID, p)
	r.Rough, r.Hostile = is(d.rough), is(d.hostile)
	return r
}

// named are the protocols of some names, in all versions.
func named(names ...string) rows {
	return func(p *beacon.Protocol) bool { return slices.Contains(names, p.Name) }
}

// version is one version of a protocol.
func version(name string, number int) rows {
	return func(p *beacon.Protocol) bool { return p.Name == name && p.Version == number }
}

func all(*beacon.Protocol) bool            { return true }
func withContext(p *beacon.Protocol) bool  { return p.Context }
func withRequest(p *beacon.Protocol) bool  { return p.Request != "" }
func withoutBytes(p *beacon.Protocol) bool { return p.Request == "" }

func except(of, but rows) rows { return func(p *beacon.Protocol) bool { return of(p) && !but(p) } }

// The names of protocols.
const (
	blocksByRange    = "beacon_blocks_by_range"
	blocksByRoot     = "beacon_blocks_by_root"
	blocksByHead     = "beacon_blocks_by_head"
	blobsByRange     = "blob_sidecars_by_range"
	blobsByRoot      = "blob_sidecars_by_root"
	columnsByRange   = "data_column_sidecars_by_range"
	columnsByRoot    = "data_column_sidecars_by_root"
	bootstrap        = "light_client_bootstrap"
	updatesByRange   = "light_client_updates_by_range"
	finalityUpdate   = "light_client_finality_update"
	optimisticUpdate = "light_client_optimistic_update"
	envelopesByRange = "execution_payload_envelopes_by_range"
	envelopesByRoot  = "execution_payload_envelopes_by_root"
	listsByIndices   = "inclusion_lists_by_indices"
)

// sections are those of specs/phase0/p2p-interface.md that the rules of all protocols are from.
var sections = map[string]string{
	"M1": "responding-side", "M2": "requesting-side", "M3": "requesting-side", "M4": "requesting-side",
	"M5": "responding-side", "M6": "responding-side", "M7": "responding-side", "M8": "responding-side",
	"M9": "ssz-snappy-encoding-strategy", "M10": "ssz-snappy-encoding-strategy", "M11": "ssz-snappy-encoding-strategy",
	"M12": "ssz-snappy-encoding-strategy", "M13": "encoding-strategies",
	"M14": "reqresp-interaction", "M15": "protocol-identification",
	"P": "the-reqresp-domain",
}

// ownSections are the sections of each protocol, by file beneath specs.
var ownSections = map[string]string{
	"status/1": "phase0/p2p-interface.md#status-v1", "status/2": "fulu/p2p-interface.md#status-v2",
	"goodbye/1": "phase0/p2p-interface.md#goodbye-v1", "ping/1": "phase0/p2p-interface.md#ping-v1",
	"metadata/1": "phase0/p2p-interface.md#getmetadata-v1", "metadata/2": "altair/p2p-interface.md#getmetadata-v2",
	"metadata/3":            "fulu/p2p-interface.md#getmetadata-v3",
	blocksByRange + "/1":    "phase0/p2p-interface.md#beaconblocksbyrange-v1",
	blocksByRange + "/2":    "altair/p2p-interface.md#beaconblocksbyrange-v2",
	blocksByRoot + "/1":     "phase0/p2p-interface.md#beaconblocksbyroot-v1",
	blocksByRoot + "/2":     "altair/p2p-interface.md#beaconblocksbyroot-v2",
	blocksByHead + "/1":     "fulu/p2p-interface.md#beaconblocksbyhead-v1",
	blobsByRange + "/1":     "deneb/p2p-interface.md#blobsidecarsbyrange-v1",
	blobsByRoot + "/1":      "deneb/p2p-interface.md#blobsidecarsbyroot-v1",
	columnsByRange + "/1":   "fulu/p2p-interface.md#datacolumnsidecarsbyrange-v1",
	columnsByRoot + "/1":    "fulu/p2p-interface.md#datacolumnsidecarsbyroot-v1",
	bootstrap + "/1":        "altair/light-client/p2p-interface.md#getlightclientbootstrap",
	updatesByRange + "/1":   "altair/light-client/p2p-interface.md#lightclientupdatesbyrange",
	finalityUpdate + "/1":   "altair/light-client/p2p-interface.md#getlightclientfinalityupdate",
	optimisticUpdate + "/1": "altair/light-client/p2p-interface.md#getlightclientoptimisticupdate",
	envelopesByRange + "/1": "gloas/p2p-interface.md#executionpayloadenvelopesbyrange-v1",
	envelopesByRoot + "/1":  "gloas/p2p-interface.md#executionpayloadenvelopesbyroot-v1",
	listsByIndices + "/1":   "heze/p2p-interface.md#inclusionlistsbyindices-v1",
}

// specOf returns where the consensus specs have a rule.
func specOf(id string, p *beacon.Protocol) string {
	number, _, _ := strings.Cut(id, "-")
	if section, ok := sections[number]; ok {
		return "specs/phase0/p2p-interface.md#" + section
	}
	own, ok := ownSections[fmt.Sprintf("%s/%d", p.Name, p.Version)]
	if !ok {
		panic(fmt.Sprintf("conformance: no section for %s/%d", p.Name, p.Version))
	}
	return "specs/" + own
}
