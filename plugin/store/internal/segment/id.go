package segment

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/era/e2store"
)

// An ID names a file.
type ID struct {
	// Kind is the kind of the file's objects, one of those that the package documents.
	Kind beacon.Kind
	// Period is the number of the period: that of a slot, divided by the slots of a period.
	Period uint64
	// Number is 0 for the first file of the period, and counts on for supplementary ones.
	Number uint16
}

// info is the type of the record that says what a file holds.
const info e2store.Type = 0x8000

// A form is how the objects of a kind are kept.
type form struct {
	name string // in file names
	typ  e2store.Type
}

// forms are those of the kinds of objects that files have.
var forms = [...]form{
	beacon.KindBlock:                    {"blocks", e2store.CompressedSignedBeaconBlock},
	beacon.KindBlobSidecar:              {"blob_sidecars", 0x8001},
	beacon.KindDataColumnSidecar:        {"data_column_sidecars", 0x8002},
	beacon.KindExecutionPayloadEnvelope: {"execution_payload_envelopes", 0x8003},
}

// String returns the name of the file, such as "blocks-00001234.e2s", or "blocks-00001234-1.e2s" for the first
// supplementary one.
func (id ID) String() string {
	name := fmt.Sprintf("%s-%08d", forms[id.Kind].name, id.Period)
	if id.Number > 0 {
		name += fmt.Sprintf("-%d", id.Number)
	}
	return name + ".e2s"
}

var fileName = regexp.MustCompile(`^([a-z_]+)-(\d{8,})(?:-(\d+))?\.e2s$`)

// parseID returns the ID of a file name. It reports false if the name is another's.
func parseID(name string) (id ID, ok bool) {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return id, false
	}
	kind := slices.IndexFunc(forms[:], func(f form) bool { return f.name == parts[1] })
	period, err := strconv.ParseUint(parts[2], 10, 64)
	number, numberErr := strconv.ParseUint("0"+parts[3], 10, 16)
	if kind < 0 || err != nil || numberErr != nil {
		return id, false
	}
	id = ID{beacon.Kind(kind), period, uint16(number)}
	return id, id.String() == name
}

// appendHead appends the records that a file begins with.
func (id ID) appendHead(dst []byte) []byte {
	data, err := json.Marshal(struct {
		Application string `json:"application"`
		Format      int    `json:"format"`
		Kind        string `json:"kind"`
		Period      uint64 `json:"period"`
		Type        string `json:"type"`
	}{"reqresp", 1, id.Kind.String(), id.Period, fmt.Sprintf("0x%04x", uint16(forms[id.Kind].typ))})
	if err != nil {
		panic(err) // There is nothing that cannot be encoded.
	}
	return e2store.AppendRecord(e2store.AppendRecord(dst, e2store.Version, nil), info, data)
}
