// Kernel model `roofline`: the equations with every efficiency at its data-sheet value; nothing is fitted.
#include "compute/kernels/equation_model.h"

namespace moesim::compute {
namespace {
class Roofline final : public KernelModel {
 public:
  struct Params {
    Time launch{};
    double tensor = 1, hbm = 1;
    static void fields(auto& f, auto& p) {
      f("launch", p.launch, "added to every kernel");
      f("tensor", p.tensor, "share of the tensor peak reached, (0, 1]");
      f("hbm", p.hbm, "share of the HBM bandwidth reached, (0, 1]");
    }
  };
  Roofline(Params p, const spec::Gpu& gpu) : KernelModel(gpu), p_(p), equations_(gpu, ideal(p), Heat::brief) {}
  std::string source() const override { return "data-sheet roofline with whole tiles; nothing measured"; }

 protected:
  Estimate estimate(const Kernel& kernel, GpuShare share) const override {
    const auto* chain = std::get_if<SmallChain>(&kernel);
    const double launches = chain ? chain->count : 1;
    return {equations_.seconds(kernel, share) + launches * moesim::seconds(p_.launch), {}};
  }

 private:
  static Calibration ideal(const Params& p) {
    if (!(p.tensor > 0 && p.tensor <= 1)) throw ConfigError("tensor", "expected a share in (0, 1]");
    if (!(p.hbm > 0 && p.hbm <= 1)) throw ConfigError("hbm", "expected a share in (0, 1]");
    Calibration c;
    c.sm_bandwidth = 1e9;
    for (GemmEquation* e : {&c.gemm, &c.contiguous, &c.masked}) e->tensor = p.tensor, e->hbm = p.hbm;
    for (AttentionEquation* e : {&c.prefill, &c.backward, &c.decode}) e->tensor = p.tensor, e->hbm = p.hbm;
    for (double* share : {&c.sparse.scores_tensor, &c.sparse.attend_tensor, &c.sparse.fp8_tensor}) *share = p.tensor;
    for (double* share : {&c.sparse.scores_hbm, &c.sparse.top_hbm}) *share = p.hbm;
    return c;
  }
  Params p_;
  Equations equations_;
};
}  // namespace

Strategy<KernelModel, const spec::Gpu&> roofline() {
  return strategy<Roofline, KernelModel, const spec::Gpu&>("roofline",
                                                           "data-sheet peaks with whole tiles, nothing fitted");
}
}  // namespace moesim::compute
