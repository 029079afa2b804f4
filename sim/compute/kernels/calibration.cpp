#include "compute/kernels/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <utility>
#include <vector>

#include "core/paths.h"
#include "core/read_once.h"

namespace moesim::compute {
namespace {
void check_share(const Config& config, std::string_view section, std::string_view key, double value) {
  if (value > 0 && value <= 1) return;
  const Config in = section.empty() ? config : config.at_or_empty(section);
  (in.has(key) ? in.at(key) : in).fail(fmt::format("{} must be a share in (0, 1], got {}", key, value));
}
/// 0 stands for another value.
void check_share_or_none(const Config& config, std::string_view section, std::string_view key, double value) {
  if (value != 0) check_share(config, section, key, value);
}
void check_at_least(const Config& config, std::string_view section, std::string_view key, double value, double least) {
  if (value >= least) return;
  const Config in = config.at_or_empty(section);
  (in.has(key) ? in.at(key) : in).fail(fmt::format("must be at least {}", least));
}

/// Visits the sections and checks each one's values.
class Check {
 public:
  explicit Check(const Config& config) : config_(config) {}
  void operator()(std::string_view section, const GemmEquation& e, std::string_view) const {
    check_share(config_, section, "tensor", e.tensor);
    check_share(config_, section, "hbm", e.hbm);
    check_share(config_, section, "accumulate", e.accumulate);
    check_share_or_none(config_, section, "sustained", e.sustained);
    check_at_least(config_, section, "overlap", e.overlap, 1);
  }
  void operator()(std::string_view section, const AttentionEquation& e, std::string_view) const {
    check_share(config_, section, "tensor", e.tensor);
    check_share(config_, section, "hbm", e.hbm);
    check_share_or_none(config_, section, "sustained", e.sustained);
    check_at_least(config_, section, "overlap", e.overlap, 1);
    check_at_least(config_, section, "soft", e.soft, 1);
    check_at_least(config_, section, "rows", e.rows, 1);
    check_at_least(config_, section, "exponents", e.exponents, 0);
  }
  void operator()(std::string_view section, const MemoryEquation& m, std::string_view) const {
    const std::pair<const char*, double> rates[] = {{"norm", m.norm},
                                                    {"norm_backward", m.norm_backward},
                                                    {"cast", m.cast},
                                                    {"cast_transpose", m.cast_transpose},
                                                    {"transpose", m.transpose},
                                                    {"swiglu", m.swiglu},
                                                    {"swiglu_backward", m.swiglu_backward},
                                                    {"rope", m.rope},
                                                    {"permute", m.permute},
                                                    {"unpermute", m.unpermute},
                                                    {"top_k", m.top_k},
                                                    {"copy", m.copy},
                                                    {"add", m.add},
                                                    {"optimizer", m.optimizer}};
    for (const auto& [key, rate] : rates) check_share(config_, section, key, rate);
  }
  void operator()(std::string_view section, const SparseEquation& e, std::string_view) const {
    check_share(config_, section, "scores_tensor", e.scores_tensor);
    check_share(config_, section, "scores_hbm", e.scores_hbm);
    check_share(config_, section, "top_hbm", e.top_hbm);
    check_share(config_, section, "attend_tensor", e.attend_tensor);
    check_share(config_, section, "fp8_tensor", e.fp8_tensor);
    check_share(config_, section, "fp8_empty", e.fp8_empty);
    check_share(config_, section, "attend_empty", e.attend_empty);
    check_at_least(config_, section, "attend_heads", e.attend_heads, 1);
    check_at_least(config_, section, "fp8_heads", e.fp8_heads, 1);
    check_at_least(config_, section, "top_rate", e.top_rate, 0);
  }
  void operator()(std::string_view section, const ServingMoves& m, std::string_view) const {
    check_share(config_, section, "stream", m.stream);
    check_share(config_, section, "cast", m.cast);
  }
  void operator()(std::string_view section, const StateEquation& e, std::string_view) const {
    check_share(config_, section, "hbm", e.hbm);
    check_at_least(config_, section, "overlap", e.overlap, 1);
  }
  void operator()(std::string_view section, const ScanEquation& e, std::string_view) const {
    check_share(config_, section, "hbm", e.hbm);
    check_at_least(config_, section, "overlap", e.overlap, 1);
    check_at_least(config_, section, "between", e.between, 0);
  }
  template <class E>
  requires std::same_as<E, MambaScan> || std::same_as<E, BlockConvolution>
  void operator()(std::string_view section, const E& e, std::string_view) const {
    check_share(config_, section, "hbm", e.hbm);
    check_at_least(config_, section, "overlap", e.overlap, 1);
  }
  template <class E>
  void operator()(std::string_view section, const std::optional<E>& e, std::string_view help) const {
    if (e) (*this)(section, *e, help);
  }

 private:
  const Config& config_;
};

/// Visits the sections and notes which of them the entry itself lacks.
class NoteBorrowed {
 public:
  NoteBorrowed(const Config& own, bool other_generation) : own_(own), other_(other_generation) {}
  template <class E>
  void operator()(std::string_view section, E& e, std::string_view) const {
    e.borrowed = !own_.has(section) && (e.borrowed || other_);
  }
  template <class E>
  void operator()(std::string_view section, std::optional<E>& e, std::string_view help) const {
    if (e) (*this)(section, *e, help);
  }

 private:
  const Config& own_;
  bool other_;
};

/// Visits the sections and empties those that the entry itself has: a section holds whole, not value by value.
class ForgetLent {
 public:
  explicit ForgetLent(const Config& own) : own_(own) {}
  template <class E>
  void operator()(std::string_view section, E& e, std::string_view) const {
    if (own_.has(section)) e = {};
  }

 private:
  const Config& own_;
};

class AnyBorrowed {
 public:
  bool any = false;
  template <class E>
  void operator()(std::string_view, const E& e, std::string_view) {
    any = any || e.borrowed;
  }
  template <class E>
  void operator()(std::string_view, const std::optional<E>& e, std::string_view) {
    any = any || (e && e->borrowed);
  }
};

/// Reads the file's values over those that `c` holds already.
void read_over(Calibration& c, const Config& config) {
  if (config.at("type").text() != "kernel_calibration")
    config.at("type").fail("expected kernel_calibration, got \"" + config.at("type").text() + "\"");
  FieldReader reader(config);
  Calibration::fields(reader, c);
  reader.finish();
  Check check(config);
  Calibration::sections(check, std::as_const(c));
  check_share(config, "", "sustained_clock", c.sustained_clock);
  if (c.sm_bandwidth < 1) config.at("sm_bandwidth").fail("must be at least 1: all SMs together reach the bandwidth");
}
/// The entry's own kernels of experts go before those lent; a lent one of the same name and format is replaced.
void read_experts_over(Calibration& c, const Config& config, bool other_generation) {
  for (ExpertEquation& e : c.experts) e.product.borrowed = e.product.borrowed || other_generation;
  if (!config.has("experts")) return;
  std::vector<ExpertEquation> own;
  for (const Config& item : config.at("experts").items()) {
    own.push_back(read<ExpertEquation>(item));
    Check{item}("product", std::as_const(own.back().product), "");
  }
  for (ExpertEquation& lent : c.experts)
    if (std::ranges::none_of(
            own, [&](const ExpertEquation& e) { return e.kernel == lent.kernel && e.format == lent.format; }))
      own.push_back(std::move(lent));
  c.experts = std::move(own);
}
std::string file_of(const std::string& name, const std::string& beside) {
  return catalogue_file("hardware", name, "kernel calibration", {beside});
}

/// What an entry says over what the one it is `from` says, and so on.
Calibration load_chain(const std::string& file, int depth) {
  constexpr int kDeepest = 8;
  const Config config = Config::load(file);
  Calibration c;
  if (!config.has("from")) {
    read_over(c, config);
    read_experts_over(c, config, false);
    return c;
  }
  if (depth == kDeepest) config.at("from").fail("is a chain of entries without end");
  c = load_chain(file_of(config.at("from").text(), file), depth + 1);
  const std::string lender = c.generation, lenders_lender = c.from;
  const KernelError lenders = std::exchange(c.error, {});
  ForgetLent forget(config);
  Calibration::sections(forget, c);
  read_over(c, config);
  const bool other = lender != c.generation;
  if (!other && c.error.median == 0) c.error = lenders;  // a lender's rows say nothing of kernels on other GPUs
  c.from = other ? lender : lenders_lender;
  NoteBorrowed note(config, other);
  Calibration::sections(note, c);
  read_experts_over(c, config, other);
  return c;
}
}  // namespace

Calibration load_calibration(const std::string& name, const std::string& beside) {
  const std::string file = file_of(name, beside);
  static ReadOnce<Calibration> read;  // a search reads the same file for every candidate
  return read(file, [&] { return load_chain(file, 0); });
}

bool borrows(const Calibration& calibration) {
  AnyBorrowed found;
  Calibration::sections(found, calibration);
  return found.any || std::ranges::any_of(calibration.experts, [](const auto& e) { return e.product.borrowed; });
}
}  // namespace moesim::compute
