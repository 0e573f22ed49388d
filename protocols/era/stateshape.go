package era

import (
	"fmt"
	"slices"

	"github.com/seed-2dd5877b/reqresp/ssz"
	"github.com/seed-2dd5877b/reqresp/ssz/shape"
)

// The constants that a state's layout depends on and that all presets share.
const (
	historicalRootsLimit      = 1 << 24
	validatorRegistryLimit    = 1 << 40
	pendingDepositsLimit      = 1 << 27
	maxValidatorsPerCommittee = 2048
)

// stateSizes are the constants that a state's layout depends on and that differ between presets.
type stateSizes struct {
	slotsPerHistoricalRoot         uint64
	epochsPerHistoricalVector      uint64
	epochsPerSlashingsVector       uint64
	epochsPerEth1VotingPeriod      uint64
	pendingPartialWithdrawalsLimit uint64
	pendingConsolidationsLimit     uint64
	ptcSize                        uint64
}

func stateSizesOf(p ssz.Preset) stateSizes {
	if p == ssz.MinimalPreset {
		return stateSizes{64, 64, 64, 4, 64, 64, 16}
	}
	return stateSizes{slotsPerHistoricalRoot, 65536, 8192, 64, 1 << 27, 1 << 18, 512}
}

// SlotsPerEra returns the number of slots of an era, which is SLOTS_PER_HISTORICAL_ROOT of a network: 64 in the minimal
// preset, and 8192 in others.
func SlotsPerEra(n *ssz.Network) ssz.Slot {
	return ssz.Slot(stateSizesOf(n.Preset()).slotsPerHistoricalRoot)
}

// StateShape returns the shape of the BeaconState of a fork, by which package shape finds the fields of an encoded
// state, such as validators, or hashes it. The error wraps [ssz.ErrFork] if the fork is none.
func StateShape(n *ssz.Network, fork ssz.Fork) (*ssz.Shape, error) {
	if fork > ssz.Heze {
		return nil, fmt.Errorf("%w: %v: want %v to %v", ssz.ErrFork, fork, ssz.Phase0, ssz.Heze)
	}
	s := stateShapes{n, fork, stateSizesOf(n.Preset())}
	fields := slices.Concat(s.phase0(), s.altair(), s.bellatrix(), s.capella(), s.electra(), s.fulu(), s.gloas())
	if fork >= ssz.Gloas {
		return shape.ProgressiveContainer("BeaconState", fields...), nil
	}
	return shape.Container("BeaconState", fields...), nil
}

// stateShapes makes the shapes of the parts of a fork's state. Every fork appends fields to those of the fork before;
// what else one changes is in the method that has introduced the field.
type stateShapes struct {
	network *ssz.Network
	fork    ssz.Fork
	size    stateSizes
}

var (
	u64  = shape.Uint(8)
	root = shape.ByteVector(32)
)

func field(name string, s *ssz.Shape) shape.Field { return shape.Field{Name: name, Shape: s} }

// named returns the shape of a type that package ssz knows in every fork that has it.
func (s stateShapes) named(name string) *ssz.Shape {
	t, err := s.network.ShapeOf(s.fork, name)
	if err != nil {
		panic("era: " + err.Error())
	}
	return t
}

// list returns the shape of a list whose limit Gloas has lifted.
func (s stateShapes) list(elem *ssz.Shape, limit uint64) *ssz.Shape {
	if s.fork >= ssz.Gloas {
		return shape.ProgressiveList(elem)
	}
	return shape.List(elem, limit)
}

func (s stateShapes) phase0() []shape.Field {
	eth1Data := s.named("Eth1Data")
	checkpoint := s.named("Checkpoint")
	participation, participationOf := s.list(shape.Uint(1), validatorRegistryLimit), "participation"
	if s.fork == ssz.Phase0 {
		participation, participationOf = s.pendingAttestations(), "attestations"
	}
	return []shape.Field{
		field("genesis_time", u64),
		field("genesis_validators_root", root),
		field("slot", u64),
		field("fork", shape.Container("Fork",
			field("previous_version", shape.ByteVector(4)),
			field("current_version", shape.ByteVector(4)),
			field("epoch", u64))),
		field("latest_block_header", s.named("BeaconBlockHeader")),
		field("block_roots", shape.Vector(root, s.size.slotsPerHistoricalRoot)),
		field("state_roots", shape.Vector(root, s.size.slotsPerHistoricalRoot)),
		field("historical_roots", shape.List(root, historicalRootsLimit)),
		field("eth1_data", eth1Data),
		field("eth1_data_votes", shape.List(eth1Data, s.size.epochsPerEth1VotingPeriod*s.slotsPerEpoch())),
		field("eth1_deposit_index", u64),
		field("validators", s.list(validator(), validatorRegistryLimit)),
		field("balances", s.list(u64, validatorRegistryLimit)),
		field("randao_mixes", shape.Vector(root, s.size.epochsPerHistoricalVector)),
		field("slashings", shape.Vector(u64, s.size.epochsPerSlashingsVector)),
		field("previous_epoch_"+participationOf, participation),
		field("current_epoch_"+participationOf, participation),
		field("justification_bits", shape.Bitvector(4)),
		field("previous_justified_checkpoint", checkpoint),
		field("current_justified_checkpoint", checkpoint),
		field("finalized_checkpoint", checkpoint),
	}
}

func (s stateShapes) slotsPerEpoch() uint64 { return s.network.Preset().SlotsPerEpoch() }

func validator() *ssz.Shape {
	return shape.Container("Validator",
		field("pubkey", shape.ByteVector(48)),
		field("withdrawal_credentials", root),
		field("effective_balance", u64),
		field("slashed", shape.Boolean()),
		field("activation_eligibility_epoch", u64),
		field("activation_epoch", u64),
		field("exit_epoch", u64),
		field("withdrawable_epoch", u64))
}

func (s stateShapes) pendingAttestations() *ssz.Shape {
	const maxAttestations = 128
	return shape.List(shape.Container("PendingAttestation",
		field("aggregation_bits", shape.Bitlist(maxValidatorsPerCommittee)),
		field("data", s.named("AttestationData")),
		field("inclusion_delay", u64),
		field("proposer_index", u64)), maxAttestations*s.slotsPerEpoch())
}

func (s stateShapes) altair() []shape.Field {
	if s.fork < ssz.Altair {
		return nil
	}
	pubkey := shape.ByteVector(48)
	committee := shape.Container("SyncCommittee",
		field("pubkeys", shape.Vector(pubkey, s.network.Preset().SyncCommitteeSize())),
		field("aggregate_pubkey", pubkey))
	return []shape.Field{
		field("inactivity_scores", s.list(u64, validatorRegistryLimit)),
		field("current_sync_committee", committee),
		field("next_sync_committee", committee),
	}
}

func (s stateShapes) bellatrix() []shape.Field {
	switch {
	case s.fork < ssz.Bellatrix:
		return nil
	case s.fork == ssz.Bellatrix:
		return []shape.Field{field("latest_execution_payload_header", bellatrixPayloadHeader())}
	case s.fork < ssz.Gloas:
		return []shape.Field{field("latest_execution_payload_header", s.named("ExecutionPayloadHeader"))}
	default:
		return []shape.Field{field("latest_block_hash", root)}
	}
}

// bellatrixPayloadHeader returns the shape of a type that is nowhere but in the state.
func bellatrixPayloadHeader() *ssz.Shape {
	return shape.Container("ExecutionPayloadHeader",
		field("parent_hash", root),
		field("fee_recipient", shape.ByteVector(20)),
		field("state_root", root),
		field("receipts_root", root),
		field("logs_bloom", shape.ByteVector(256)),
		field("prev_randao", root),
		field("block_number", u64),
		field("gas_limit", u64),
		field("gas_used", u64),
		field("timestamp", u64),
		field("extra_data", shape.ByteList(32)),
		field("base_fee_per_gas", shape.Uint(32)),
		field("block_hash", root),
		field("transactions_root", root))
}

func (s stateShapes) capella() []shape.Field {
	if s.fork < ssz.Capella {
		return nil
	}
	return []shape.Field{
		field("next_withdrawal_index", u64),
		field("next_withdrawal_validator_index", u64),
		field("historical_summaries", shape.List(shape.Container("HistoricalSummary",
			field("block_summary_root", root),
			field("state_summary_root", root)), historicalRootsLimit)),
	}
}

func (s stateShapes) electra() []shape.Field {
	if s.fork < ssz.Electra {
		return nil
	}
	return []shape.Field{
		field("deposit_requests_start_index", u64),
		field("deposit_balance_to_consume", u64),
		field("exit_balance_to_consume", u64),
		field("earliest_exit_epoch", u64),
		field("consolidation_balance_to_consume", u64),
		field("earliest_consolidation_epoch", u64),
		field("pending_deposits", s.list(shape.Container("PendingDeposit",
			field("pubkey", shape.ByteVector(48)),
			field("withdrawal_credentials", root),
			field("amount", u64),
			field("signature", shape.ByteVector(96)),
			field("slot", u64)), pendingDepositsLimit)),
		field("pending_partial_withdrawals", s.list(shape.Container("PendingPartialWithdrawal",
			field("validator_index", u64),
			field("amount", u64),
			field("withdrawable_epoch", u64)), s.size.pendingPartialWithdrawalsLimit)),
		field("pending_consolidations", s.list(shape.Container("PendingConsolidation",
			field("source_index", u64),
			field("target_index", u64)), s.size.pendingConsolidationsLimit)),
	}
}

func (s stateShapes) fulu() []shape.Field {
	if s.fork < ssz.Fulu {
		return nil
	}
	return []shape.Field{field("proposer_lookahead", shape.Vector(u64, 2*s.slotsPerEpoch()))}
}

func (s stateShapes) gloas() []shape.Field {
	if s.fork < ssz.Gloas {
		return nil
	}
	withdrawal := shape.Container("BuilderPendingWithdrawal",
		field("fee_recipient", shape.ByteVector(20)),
		field("amount", u64),
		field("builder_index", u64))
	return []shape.Field{
		field("builders", shape.ProgressiveList(shape.Container("Builder",
			field("pubkey", shape.ByteVector(48)),
			field("version", shape.Uint(1)),
			field("execution_address", shape.ByteVector(20)),
			field("balance", u64),
			field("deposit_epoch", u64),
			field("withdrawable_epoch", u64)))),
		field("next_withdrawal_builder_index", u64),
		field("execution_payload_availability", shape.Bitvector(s.size.slotsPerHistoricalRoot)),
		field("builder_pending_payments", shape.Vector(shape.Container("BuilderPendingPayment",
			field("weight", u64),
			field("withdrawal", withdrawal),
			field("proposer_index", u64)), 2*s.slotsPerEpoch())),
		field("builder_pending_withdrawals", shape.ProgressiveList(withdrawal)),
		field("latest_execution_payload_bid", s.named("ExecutionPayloadBid")),
		field("payload_expected_withdrawals", shape.ProgressiveList(s.named("Withdrawal"))),
		field("ptc_window", shape.Vector(shape.Vector(u64, s.size.ptcSize), 3*s.slotsPerEpoch())),
	}
}
