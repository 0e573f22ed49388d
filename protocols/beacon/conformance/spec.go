package conformance

import (
	"fmt"
	"strings"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
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

// messages are the sections of the protocols, by file beneath specs.
var messages = map[string]string{
	"status/1": "phase0/p2p-interface.md#status-v1", "status/2": "fulu/p2p-interface.md#status-v2",
	"goodbye/1": "phase0/p2p-interface.md#goodbye-v1", "ping/1": "phase0/p2p-interface.md#ping-v1",
	"metadata/1": "phase0/p2p-interface.md#getmetadata-v1", "metadata/2": "altair/p2p-interface.md#getmetadata-v2",
	"metadata/3":         "fulu/p2p-interface.md#getmetadata-v3",
	blocksByRange + "/1": "phase0/p2p-interface.md#beaconblocksbyrange-v1", blocksByRange + "/2": "altair/p2p-interface.md#beaconblocksbyrange-v2",
	blocksByRoot + "/1": "phase0/p2p-interface.md#beaconblocksbyroot-v1", blocksByRoot + "/2": "altair/p2p-interface.md#beaconblocksbyroot-v2",
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
	return "specs/" + messages[fmt.Sprintf("%s/%d", p.Name, p.Version)]
}
