// How long one step of an instance takes: the interface between what is batched and what it costs.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compute/layers/inventory.h"
#include "core/units.h"

namespace moesim::serving {

/// Tokens of one request whose own routing was recorded, by position.
struct RecordedTokens {
  std::int32_t request, first, count;
};

/// What every rank of an instance computes in one step.
struct StepWork {
  std::int64_t step = 0;                 ///< number of the step of this instance
  std::vector<compute::Batch> ranks;     ///< (data-parallel ranks); 0 tokens where a rank has nothing to do
  bool after_idle = false;               ///< no step ended where this one starts: nothing hides what the host does
  std::vector<double> domains;           ///< tokens of each routing domain; empty if there is one
  std::vector<RecordedTokens> recorded;  ///< all tokens, where they choose as recorded; else empty
};

/// Where a step's time goes, each second once: what the step was waiting for at that moment.
enum class StepPart { attention, gate, shared, dispatch, experts, combine, tensor, head, launch, other };
constexpr auto enum_names(StepPart) {
  return std::to_array<std::pair<std::string_view, StepPart>>({{"attention", StepPart::attention},
                                                               {"gate", StepPart::gate},
                                                               {"shared", StepPart::shared},
                                                               {"dispatch", StepPart::dispatch},
                                                               {"experts", StepPart::experts},
                                                               {"combine", StepPart::combine},
                                                               {"tensor", StepPart::tensor},
                                                               {"head", StepPart::head},
                                                               {"launch", StepPart::launch},
                                                               {"other", StepPart::other}});
}
constexpr std::size_t kStepParts = 10;

struct StepTimes {
  std::vector<Time> stages;  ///< one after the other; a pipeline has several
  Time total() const {
    Time sum{};
    for (Time t : stages) sum += t;
    return sum;
  }
  std::array<double, kStepParts> parts{};  ///< seconds by StepPart; sum to the total
  double balancedness = 1;                 ///< mean over MoE layers of mean / max GPU load
  double drawn = 0;                        ///< seconds at a GPU's board limit that take the step's energy, the mean GPU
  double waiting = 0;                      ///< seconds lost to GPUs slower than the mean, of the experts' part
};

class StepModel {
 public:
  virtual ~StepModel() = default;
  /// `out` is overwritten; its memory is reused.
  virtual void cost(const StepWork& work, StepTimes& out) = 0;

  /// GPUs of the instance that work at a share of their rate from now on; 1 is healthy.
  virtual void slow_gpu(int /*gpu*/, double /*share*/) {}
  virtual void slow_link(int /*gpu*/, double /*share*/) {}
  /// The GPU's adapter works (again) or not: without it, traffic goes over NVLink to a neighbour's, which both share.
  /// Returns what is left of an adapter's rate; 0 if there is no other way, and the GPU is lost.
  virtual double set_adapter(int /*gpu*/, bool /*works*/) { return 1; }
  /// So many bytes begin to cross this GPU's port beside the exchanges, over NVLink or an adapter: evenly over `lasts`,
  /// or (0 s) as fast as they can.
  virtual void crosses(int /*gpu*/, bool /*nvlink*/, Bytes /*bytes*/, Time /*lasts*/) {}
  /// Share of the last step in which exchanges used such ports.
  virtual double port_busy(bool /*nvlink*/) const { return 0; }
  /// What losing GPUs means for the experts on them.
  struct Loss {
    bool fatal = false;       ///< the instance cannot go on without them
    Time reload{};            ///< until the lost experts are on other GPUs; 0 where copies or masking cover them
    double masked_share = 0;  ///< of the token-expert rows that find no expert from now on
    std::string answer = "redundancy";
  };
  virtual Loss lose_gpus(int /*first*/, int /*count*/, bool /*mask*/, bool /*restart*/) {
    return {.fatal = true, .answer = "restart"};
  }
  /// All GPUs are back, and the experts where they were.
  virtual void restore() {}
  /// What it takes to serve with the next more ranks: until these have their weights, which begin to cross the ports of
  /// the others; and until experts lie where they are to, once these are there.
  struct GrowthTimes {
    Time prepare{}, move{};
  };
  virtual GrowthTimes prepare_growth() { return {}; }
  /// They are there: steps are theirs too from now on.
  virtual void grow() {}
  /// Of `all` ranks of an instance, those that are there.
  virtual int ranks_there(int all) const { return all; }
  /// Plans the experts' places anew from what was routed lately.  Returns how long the instance stands still for it.
  virtual Time rebalance() { return {}; }
};

/// A step that costs so much, and so much for each token and sequence: for queueing theory and for systems of which
/// only that is known.
struct FixedStep {
  Time step{}, prefill_token{}, decode_token{};
  static void fields(auto& f, auto& p) {
    f("step", p.step, "every step");
    f("prefill_token", p.prefill_token, "for each prompt token of the busiest rank");
    f("decode_token", p.decode_token, "for each decoding sequence of the busiest rank");
  }
};
class FixedCost final : public StepModel {
 public:
  explicit FixedCost(const FixedStep& fixed) : fixed_(fixed) {}
  void cost(const StepWork& work, StepTimes& out) override;

 private:
  FixedStep fixed_;
};
}  // namespace moesim::serving
