#include "routing/laws/hot.h"
#include "routing/laws/law.h"

namespace moesim::routing {
namespace {
struct HotRank : LawBase {
  struct Params {
    int rank = 0;
    double factor = 2;
    static void fields(auto& f, auto& p) {
      f("rank", p.rank, "GPU whose experts are hot when experts are placed contiguously");
      f("factor", p.factor, "load of that GPU over the mean");
    }
  };
  Params p;
  HotRank(Params params, const TrafficContext& context) : LawBase(context), p(params) {
    if (p.rank < 0 || p.rank >= c.group.gpus)
      refuse_law("rank", fmt::format("expected 0 to {}, got {}", c.group.gpus - 1, p.rank));
    if (hot().empty()) refuse_law("rank", fmt::format("GPU {} holds no expert", p.rank));
    check_hot(int(hot().size()), p.factor, c);
  }
  std::vector<std::size_t> hot() const {
    const int per_gpu = spec::contiguous_experts(c.gate.experts, c.group.gpus);
    std::vector<std::size_t> out;
    for (int e = p.rank * per_gpu; e < std::min((p.rank + 1) * per_gpu, c.gate.experts); ++e)
      out.push_back(std::size_t(e));
    return out;
  }
  void weights(int, std::int64_t, std::span<double> out) const { heat(hot(), p.factor, out); }
};
}  // namespace

TrafficStrategy hot_rank_traffic() {
  return law_strategy<HotRank>("hot_rank", "all experts of one GPU take several times the mean");
}
}  // namespace moesim::routing
