// Package gnosis holds the containers that the gnosis preset has in other sizes than the mainnet preset:
// those with withdrawals, of which a payload has at most 8. All others are those of package mainnet beside
// it. Names, types and what to mind when decoding are those of package containers, which holds the
// containers that all presets share.
package gnosis
