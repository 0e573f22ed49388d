package era

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// extension is what the names of era files end with.
const extension = ".era"

// A Name is what the name of an era file says of it.
type Name struct {
	Config string  // Config is the CONFIG_NAME of the network.
	Era    uint64  // Era is the number of the first era in the file, at most 99999.
	Root   [4]byte // Root begins the era root of the last era in the file, see [State.EraRoot].
}

// ParseName reads the name of a file, without its directory. The error wraps [ErrName].
func ParseName(name string) (Name, error) {
	fields := strings.Split(strings.TrimSuffix(name, extension), "-")
	last := len(fields) - 1
	if last < 2 || strings.ContainsAny(name, `/\`) || fields[0] == "" {
		return Name{}, fmt.Errorf("%w: %q: want CONFIG-ERA-ROOT%s", ErrName, name, extension)
	}
	era, err := strconv.ParseUint(fields[last-1], 10, 64)
	if err != nil || len(fields[last-1]) != 5 {
		return Name{}, fmt.Errorf("%w: %q: want an era of 5 digits, not %q", ErrName, name, fields[last-1])
	}
	n := Name{Config: strings.Join(fields[:last-1], "-"), Era: era}
	if root, err := hex.DecodeString(fields[last]); err == nil {
		copy(n.Root[:], root)
	}
	if n.String() != name {
		return Name{}, fmt.Errorf("%w: %q: want 8 lower-case hexadecimal digits and %s", ErrName, name, extension)
	}
	return n, nil
}

// String returns the name of the file, such as mainnet-00001-40cf2f3c.era.
func (n Name) String() string {
	return fmt.Sprintf("%s-%05d-%x%s", n.Config, n.Era, n.Root, extension)
}
