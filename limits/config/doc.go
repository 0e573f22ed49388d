// Package config reads the settings of packages limits and score from a TOML
// file, and has presets of them.
//
//	c, err := config.Load("limits.toml")
//	…
//	limiter, err := limits.New(&limits.Options{Config: c.Limits, Scores: book, Addr: limits.HostAddr(host)})
//	…
//	err = limiter.Apply(c.Limits) // after the file has changed
//
// A file starts from a preset and says what is different:
//
//	preset = "home"
//
//	[node]
//	bytes = "2MiB/s+32MiB"
//
//	[methods.beacon_blocks_by_range]
//	peer = { items = "64/10s+128" }
//
// A rate is how much in what time, such as 10s, 5m or s for a second, and after a plus the burst, which is as
// much if it is left out. Bytes may have the units KiB, MiB and GiB. A rate in the file
// replaces the preset's as a whole, burst included; what the file does not mention
// remains. [Config.Format] prints what is in effect: what differs from the preset, and the rest in comments. Keys may
// have capitals and need no underscores.
//
// A rate may be so low that requesters which come back wait for as long as they do at most, and are
// refused in the end: [Config.Warnings] names these. No preset has any.
//
// The presets are:
//
//   - default: a server in a data centre, 16 MiB/s for everybody
//   - home: a small uplink, 1 MiB/s for everybody
//   - generous: to those who sync, 64 MiB/s for everybody
//   - archive: a source of history, 128 MiB/s for everybody, a quarter of it for
//     each peer that asks for blocks by range
//   - none: nothing but what is named, for methods of other families
package config
