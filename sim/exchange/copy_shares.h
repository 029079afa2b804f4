// Which share of its expert's rows each copy takes, so that no GPU has more than it must: levelled, not solved.
//
// Least squares over the GPUs' rows, which on this kind of problem is also the least rows on the fullest GPU (of all
// vectors that shares can reach, the one with the least sum of squares is majorised by the others).  Expert after
// expert is levelled over its GPUs until nothing moves: far cheaper than the linear programme of batch_balance.h, and
// defined where several windows are to be served by one set of shares.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "exchange/fan_out.h"
#include "exchange/replica_choice.h"

namespace moesim::exchange {

/// One set of shares for all windows, each of which is (experts).  Returns (slots): of an expert's rows; a second copy
/// on one GPU gets none, and an expert without rows shares evenly.  speed: of each GPU; empty: all the same.
std::vector<double> level_shares(const ExpertMap& map, std::span<const std::vector<double>> windows,
                                 std::span<const double> speed = {});

/// exchange_sums() of sources that send alike, the copies of an expert levelled for this load: what the replica choice
/// `balanced` comes to where only sums over sources are known.
void balanced_exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate,
                            const ExpertMap& map, const spec::GroupShape& group, ExchangeSums& out);
/// The same where each slot takes a fixed share of its expert's rows.  shares: (slots), as level_shares() gives them.
void shared_exchange_sums(std::span<const double> load, double tokens, const routing::GateShape& gate,
                          const ExpertMap& map, std::span<const double> shares, const spec::GroupShape& group,
                          ExchangeSums& out);

/// A choice of fixed shares (static probabilities): of each expert's rows, source after source, every copy has at any
/// time its share but for a row or so.  No chance is in it, and where a source is plays no part.
std::unique_ptr<ReplicaChoice> fixed_share_choice(const ExpertMap& map, std::vector<double> shares);
}  // namespace moesim::exchange
