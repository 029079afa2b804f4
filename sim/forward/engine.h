// An inference engine: what it runs where a scenario leaves the choice open.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "compute/kernels/expert_library.h"
#include "core/config.h"
#include "network/exchanges/exchange.h"

namespace moesim::forward {

/// A catalogue entry hardware/engine-NAME.yaml, `type: engine`.
struct Engine {
  std::string name, title;
  std::vector<compute::ExpertLibrary> experts;  // of routed experts, the first that has the number format
  std::string all_reduce;                       // whose kernels, as network calibrations name them; "": the library's
  std::optional<network::ExchangeKernel> prefill_exchange{}, decode_exchange{};  // none: the phase's
  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name, with the version that was measured");
    f("experts", p.experts, "libraries of routed experts' products, the first that has the number format");
    f("all_reduce", p.all_reduce, "whose all-reduce kernels in a node (network calibration); empty: the library's");
    f("prefill_exchange", p.prefill_exchange, "of prompts; none: as without an engine");
    f("decode_exchange", p.decode_exchange, "of next tokens; none: as without an engine");
  }
};

constexpr std::string_view kUsualEngine = "sglang";

/// `name`: that of an entry without "engine-", or a YAML path.  Throws ConfigError with the engines there are.
Engine load_engine(const std::string& name, const std::string& beside = "");
/// The engine that `config` names; throws at its place.
Engine read_engine(const Config& config);
}  // namespace moesim::forward
