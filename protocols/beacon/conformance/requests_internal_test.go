package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A protocol that is new needs requests of its own and the section of the specs that it is from.
func TestEveryProtocolHasRequestsAndASection(t *testing.T) {
	family := beacon.NewFamily(ssz.Mainnet())
	s := &session{network: ssz.Mainnet(), family: family, now: time.Now}
	for _, p := range family.Protocols() {
		want := "*ssz." + p.Request
		if request, _ := s.askFor(p.Name); request != nil && fmt.Sprintf("%T", request) != want {
			t.Errorf("%s is asked by a %T, want a %s", p.ID(), request, want)
		} else if request == nil && (p.Request == "") != (len(s.askNode(p)) == 0) {
			t.Errorf("%s is asked by %d bytes, want a %s", p.ID(), len(s.askNode(p)), want)
		}
		if strings.HasSuffix(p.Name, "_by_range") {
			if got := fmt.Sprintf("%T", rangeOf(p.Name, 1, 1)); got != want {
				t.Errorf("%s is asked for a range by a %s, want a %s", p.ID(), got, want)
			}
		}
		if section := specOf("S1", p); !strings.Contains(section, "p2p-interface.md#") {
			t.Errorf("%s is from %q", p.ID(), section)
		}
	}
}
