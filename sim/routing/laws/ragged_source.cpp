#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct RaggedSource : LawBase {
  struct Params {
    double sigma = 0.5;
    static void fields(auto& f, auto& p) {
      f("sigma", p.sigma, "standard deviation of the logarithm of a source's tokens; their sum stays");
    }
  };
  Params p;
  RaggedSource(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (!(p.sigma >= 0 && p.sigma <= 3)) refuse_law("sigma", fmt::format("expected 0 to 3, got {}", p.sigma));
  }
  void weights(int, std::int64_t, std::span<double>) const {}
  /// The same for all layers of a step: a token stays on its GPU.
  void assign(int, std::int64_t step, std::span<const std::int32_t> tokens, std::span<std::int32_t> out) const {
    Random chance = random("ragged_source", 0, step);
    std::vector<double> part(tokens.size());
    double sum = 0;
    std::int64_t total = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      sum += part[s] = chance.log_normal(0, p.sigma) * tokens[s];
      total += tokens[s];
    }
    double at = 0;
    std::int64_t given = 0;
    for (std::size_t s = 0; s < tokens.size(); ++s) {
      at += part[s];
      const std::int64_t upto = s + 1 == tokens.size() ? total : std::int64_t(at / sum * double(total) + 0.5);
      out[s] = std::int32_t(upto - given);
      given = upto;
    }
  }
};
}  // namespace

TrafficStrategy ragged_source_traffic() {
  return law_strategy<RaggedSource>("ragged_source", "source GPUs hold unequal numbers of tokens");
}
}  // namespace moesim::routing
