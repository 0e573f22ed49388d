// Package config reads the settings of packages limits and score from a TOML file. It has presets of them.
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
// A rate is an amount, a slash and a time, such as 64/10s, 8/5m or 2MiB/s. The burst follows a plus; it defaults to the
// amount. Amounts of bytes may have the units KiB, MiB and GiB. A rate in the file replaces the preset's rate and
// burst. Settings that the file does not mention keep the preset's values. [Config.Format] prints the settings in
// effect: those that differ from the preset, and the others in comments. Keys may have capitals and omit underscores.
//
// A rate may be so low that a requester that keeps asking is refused in the end. [Config.Warnings] names such rates. No
// preset has one.
//
// The presets are:
//
//   - default: a server in a data centre, 16 MiB/s for all peers together
//   - home: a small uplink, 1 MiB/s for all peers together
//   - generous: four times the default, 64 MiB/s for all peers together
//   - archive: a source of history, 128 MiB/s for all peers together and 32 MiB/s of blocks by range for each
//   - none: no limits but those that are set, for methods of other families
package config
