#include "network/exchanges/exchange_kinds.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::network {
namespace {
/// assumed: 16, the fewest with which HybridEP comes near its best on H100, B200 and GB200 (DeepEP,
/// Hybrid-EP_Implementation.md).
constexpr int kHybridSms = 16;
/// NCCL 2.29.2's channels on Hopper, one SM each.  assumed: elsewhere as many.
constexpr int kLibrarySms = 24;

struct NoParams {
  static void fields(auto&, auto&) {}
};
template <ExchangeKernel kernel>
class Plain final : public ExchangeKind {
 public:
  using Params = NoParams;
  explicit Plain(const Params&) {}
  ExchangeChoice choice() const override { return {kernel}; }
};

class Auto final : public ExchangeKind {
 public:
  using Params = NoParams;
  explicit Auto(const Params&) {}
  ExchangeChoice choice() const override { return {}; }
};

template <ExchangeKernel kernel>
class WithSms final : public ExchangeKind {
 public:
  struct Params {
    std::optional<int> sms{};
    static void fields(auto& f, auto& p) { f("sms", p.sms, "SMs that copy; none: 20, or 16 of hybrid"); }
  };
  explicit WithSms(const Params& params) : sms_(params.sms) {
    if (sms_ && *sms_ < 1) throw ConfigError("sms", fmt::format("must be at least 1, got {}", *sms_));
  }
  ExchangeChoice choice() const override { return {kernel, sms_}; }

 private:
  std::optional<int> sms_;
};

class LowLatency final : public ExchangeKind {
 public:
  struct Params {
    bool nvlink = true;
    static void fields(auto& f, auto& p) { f("nvlink", p.nvlink, "inside a node; false: the adapters everywhere"); }
  };
  explicit LowLatency(const Params& params) : nvlink_(params.nvlink) {}
  ExchangeChoice choice() const override { return {ExchangeKernel::deepep_low_latency, {}, nvlink_}; }

 private:
  bool nvlink_;
};

constexpr std::pair<std::string_view, std::string_view> kOlderNames[] = {{"normal", "deepep_normal"},
                                                                         {"low_latency", "deepep_low_latency"},
                                                                         {"none", "auto"},
                                                                         {"null", "auto"},
                                                                         {"~", "auto"}};

std::unique_ptr<ExchangeKind> make_kind(const Config& section) {
  const Config config = section.at_or_empty("exchange");
  if (section.has("exchange") && config.is_scalar()) {
    const std::string word = config.text();
    for (const auto& [older, name] : kOlderNames)
      if (word == older) {
        config.resolve("", name);
        return exchange_kinds().of_kind(std::string(name));
      }
  }
  return exchange_kinds().make_or(section, "exchange", "auto");
}
}  // namespace

const Family<ExchangeKind>& exchange_kinds() {
  using enum ExchangeKernel;
  static const Family<ExchangeKind> family(
      "exchange",
      {strategy<Auto, ExchangeKind>("auto",
                                    "deepep_low_latency where only next tokens are computed, else deepep_normal"),
       strategy<WithSms<deepep_normal>, ExchangeKind>(
           "deepep_normal", "DeepEP: SMs copy; one copy of a token a node, and a GPU, handed on by relays"),
       strategy<LowLatency, ExchangeKind>("deepep_low_latency",
                                          "DeepEP: adapters send every row straight to its GPU; takes no SMs"),
       strategy<Plain<all_to_all>, ExchangeKind>(
           "all_to_all", "NCCL as Megatron-Core and vLLM call it: counts first, then every row by itself"),
       strategy<Plain<all_gather>, ExchangeKind>(
           "all_gather", "NCCL: every token to every GPU, results added up by a reduce-scatter"),
       strategy<WithSms<hybrid>, ExchangeKind>(
           "hybrid", "HybridEP: copies as deepep_normal, with few SMs; a node is an NVLink domain of any size")});
  return family;
}

bool takes_sms(ExchangeKernel kernel) {
  return kernel == ExchangeKernel::deepep_normal || kernel == ExchangeKernel::hybrid;
}

int sms_of(ExchangeKernel kernel, std::optional<int> asked, int usual) {
  switch (kernel) {
    case ExchangeKernel::deepep_normal:
      return asked.value_or(usual);
    case ExchangeKernel::hybrid:
      return asked.value_or(kHybridSms);
    case ExchangeKernel::all_to_all:
    case ExchangeKernel::all_gather:
      return kLibrarySms;
    case ExchangeKernel::deepep_low_latency:
      return 0;
  }
  throw std::logic_error("an exchange kernel without SMs");
}

ExchangeChoice read_exchange(const Config& section, std::string_view sms_key, int gpu_sms) {
  ExchangeChoice out = make_kind(section)->choice();
  if (section.has(sms_key) && out.kernel) {
    const Config sms = section.at(sms_key);
    if (!takes_sms(*out.kernel))
      sms.fail(fmt::format("{} exchanges have no number of SMs to choose: leave it out", name_of(*out.kernel)));
    if (out.sms) sms.fail("exchange.sms says so already: give one of the two");
    sms.parse(out.sms);
    if (out.sms && *out.sms < 1)
      sms.fail(fmt::format("a {} exchange takes at least 1 SM, got {}", name_of(*out.kernel), *out.sms));
  }
  if (out.sms && *out.sms >= gpu_sms)
    section.fail_below("exchange.sms", fmt::format("expected 1 to {}, got {}", gpu_sms - 1, *out.sms));
  return out;
}
}  // namespace moesim::network
