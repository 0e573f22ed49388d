package api

// Method is what has come of a method in one direction, since the node was started.
type Method struct {
	// Method is its name in the specs, such as "beacon_blocks_by_range" or "ping".
	Method string `json:"method"`
	// Direction is "inbound" for what peers ask, "outbound" for what they are asked.
	Direction string `json:"direction"`
	// Protocols are the protocol IDs of all versions.
	Protocols []string `json:"protocols"`
	// Outcomes counts the exchanges that have ended, by how they did: "success", or the name of a
	// reqresp.Reason. Those that never occurred are missing.
	Outcomes map[string]uint64 `json:"outcomes"`
	// Active is how many are under way, Waiting how many of these are made to wait.
	Active  int `json:"active"`
	Waiting int `json:"waiting"`
	// Delay is for how many seconds exchanges were made to wait, all together.
	Delay float64 `json:"delay"`
	// Chunks are those of responses.
	Chunks uint64 `json:"chunks"`
	// WireBytes is the size of requests and responses on the stream, SSZBytes before
	// compression.
	WireBytes uint64 `json:"wireBytes"`
	SSZBytes  uint64 `json:"sszBytes"`
	// FirstByte and Duration are the mean times to the first byte of a response and to the end of
	// an exchange, in seconds. Zero if there was none.
	FirstByte float64 `json:"firstByte"`
	Duration  float64 `json:"duration"`
}

// Ended returns how many exchanges have ended.
func (m *Method) Ended() (n uint64) {
	for _, ended := range m.Outcomes {
		n += ended
	}
	return n
}
