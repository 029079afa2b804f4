#include "compute/kernels/calibration.h"

#include <fmt/format.h>

#include "core/paths.h"

namespace moesim::compute {
namespace {
void check_share(const Config& config, std::string_view section, std::string_view key, double value) {
  if (value > 0 && value <= 1) return;
  const Config in = section.empty() ? config : config.at_or_empty(section);
  (in.has(key) ? in.at(key) : in).fail(fmt::format("{} must be a share in (0, 1], got {}", key, value));
}

void check_values(const Config& config, const Calibration& c) {
  const std::pair<const char*, const GemmEquation*> gemms[] = {
      {"gemm", &c.gemm}, {"contiguous", &c.contiguous}, {"masked", &c.masked}};
  for (const auto& [section, e] : gemms) {
    check_share(config, section, "tensor", e->tensor);
    check_share(config, section, "hbm", e->hbm);
    check_share(config, section, "accumulate", e->accumulate);
    if (e->overlap < 1) config.at(section).at("overlap").fail("must be at least 1");
  }
  const std::pair<const char*, const AttentionEquation*> attentions[] = {
      {"prefill", &c.prefill}, {"backward", &c.backward}, {"decode", &c.decode}};
  for (const auto& [section, e] : attentions) {
    check_share(config, section, "tensor", e->tensor);
    check_share(config, section, "hbm", e->hbm);
    if (e->overlap < 1) config.at(section).at("overlap").fail("must be at least 1");
  }
  const MemoryEquation& m = c.memory;
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
  for (const auto& [key, rate] : rates) check_share(config, "memory", key, rate);
  check_share(config, "", "sustained_clock", c.sustained_clock);
  if (c.sm_bandwidth < 1) config.at("sm_bandwidth").fail("must be at least 1: all SMs together reach the bandwidth");
}

/// What the entry itself says; its `from` is still to be followed.
std::pair<Calibration, Config> read_own(const std::string& file) {
  const Config config = Config::load(file);
  if (config.at("type").text() != "kernel_calibration")
    config.at("type").fail("expected kernel_calibration, got \"" + config.at("type").text() + "\"");
  const Calibration own = read<Calibration>(config);
  check_values(config, own);
  return {own, config};
}
std::string file_of(const std::string& name, const std::string& beside) {
  return catalogue_file("hardware", name, "kernel calibration", {beside});
}
}  // namespace

Calibration load_calibration(const std::string& name, const std::string& beside) {
  const std::string file = file_of(name, beside);
  const auto [own, config] = read_own(file);
  if (own.from.empty()) return own;
  Calibration other = read_own(file_of(own.from, file)).first;
  if (!other.from.empty()) config.at("from").fail("must name an entry with measurements of its own");
  other.from = other.generation;
  other.generation = own.generation;
  other.borrowed = true;
  return other;
}
}  // namespace moesim::compute
