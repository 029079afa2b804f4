// An inference engine: what it runs where a scenario leaves the choice open.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compute/kernels/expert_library.h"
#include "compute/kernels/recurrent.h"
#include "core/config.h"
#include "network/exchanges/exchange.h"

namespace moesim::forward {

/// What the host does for a step, and how much of it the GPU waits for.
struct HostTime {
  Time step{}, request{}, gap{};
  bool overlapped = true;
  static void fields(auto& f, auto& p) {
    f("step", p.step, "scheduling, inputs and results of a step");
    f("request", p.request, "of it, for each request that takes part");
    f("gap", p.gap, "between two steps although the host is ahead: sampled tokens on their way, the next launch");
    f("overlapped", p.overlapped, "a step's host time runs beside the step before; false: the GPU waits for it");
  }
  /// How long the GPU waits before a step: hidden is what ran on it before, if anything did.
  Time wait(std::int64_t requests, Time hidden) const {
    const Time host = step + request * requests;
    return gap + (overlapped ? std::max(Time{}, host - hidden) : host);
  }
};

/// What the host does for a request outside of steps.  Requests do not wait for each other there.
struct FrontEnd {
  Time request{}, input_token{}, output{};
  static void fields(auto& f, auto& p) {
    f("request", p.request, "HTTP, template and the way to the scheduler, before a request can be in a step");
    f("input_token", p.input_token, "of it, for each token of the prompt: tokenising");
    f("output", p.output, "from the end of a step until its tokens are with who asked: detokenising and HTTP");
  }
  Time before(std::int64_t input) const { return request + input_token * input; }
};

/// What a share of the memory is of.  Engines' settings mean different things; each is converted to bytes of cache.
enum class ShareOf {
  all,                ///< of all memory, for weights, buffers and cache (vLLM's gpu_memory_utilization)
  weights_and_cache,  ///< of what is usable, for weights and cache; buffers come beside them (SGLang's
                      ///< mem_fraction_static)
  rest                ///< of what weights and buffers leave of it (TensorRT-LLM's free_gpu_memory_fraction)
};
constexpr auto enum_names(ShareOf) {
  return std::to_array<std::pair<std::string_view, ShareOf>>(
      {{"all", ShareOf::all}, {"weights_and_cache", ShareOf::weights_and_cache}, {"rest", ShareOf::rest}});
}

/// What an engine leaves beside weights and cache before it knows what its buffers take; then its share is what
/// remains.
struct SetAside {
  Bytes base{}, token{}, request{}, gpu{}, least{};
  static void fields(auto& f, auto& p) {
    f("base", p.base, "whatever is asked");
    f("token", p.token, "for each token of the longest piece of a prompt");
    f("request", p.request, "for each request of the largest batch");
    f("gpu", p.gpu, "for each GPU of an instance");
    f("least", p.least, "at least, on GPUs above 60 GiB");
  }
  Bytes of(std::int64_t tokens, std::int64_t requests, std::int64_t gpus, Bytes memory) const {
    const Bytes asked = base + token * tokens + request * requests + gpu * gpus;
    return memory > 60_GiB ? std::max(asked, least) : asked;
  }
};

/// How an engine divides a GPU's memory.
struct EngineMemory {
  double share = 0;  // 0: what `set_aside` leaves
  ShareOf share_of = ShareOf::all;
  SetAside set_aside;
  Bytes collectives{}, graph_request{};
  static void fields(auto& f, auto& p) {
    f("share", p.share, "its usual share of the memory; 0: what `set_aside` leaves");
    f("share_of", p.share_of, "what that share is of: all, weights_and_cache, rest");
    f("set_aside", p.set_aside, "its rule for what it leaves beside weights and cache");
    f("collectives", p.collectives, "buffers of its collectives, where there are several GPUs");
    f("graph_request", p.graph_request, "of CUDA graphs, for each request of the largest batch");
  }
};

/// Limits that an engine sets where a scenario does not.
struct EngineBatch {
  int requests = 256, tokens = 8192, graphs = 512;
  static void fields(auto& f, auto& p) {
    f("requests", p.requests, "most requests of a rank at once, if the engine is asked for");
    f("tokens", p.tokens, "most tokens of a rank in a step, if the engine is asked for");
    f("graphs", p.graphs, "most tokens of a step that is replayed from CUDA graphs");
  }
};

/// A catalogue entry hardware/engine-NAME.yaml, `type: engine`.
struct Engine {
  std::string name, title;
  std::vector<compute::ExpertLibrary> experts;               // of routed experts, the first that has the number format
  compute::ScanLibrary scans = compute::ScanLibrary::usual;  // of prompts in layers that keep a state
  std::string all_reduce;  // whose kernels, as network calibrations name them; "": the library's
  std::optional<network::ExchangeKernel> prefill_exchange{}, decode_exchange{};  // none: the phase's
  HostTime host;
  FrontEnd front_end;
  EngineMemory memory;
  EngineBatch batch;
  static void fields(auto& f, auto& p) {
    f.skip("type");
    f("title", p.title, "full name, with the version that was measured");
    f("experts", p.experts, "libraries of routed experts' products, the first that has the number format");
    f("scans", p.scans, "library that scans the prompts of layers that keep a state");
    f("all_reduce", p.all_reduce, "whose all-reduce kernels in a node (network calibration); empty: the library's");
    f("prefill_exchange", p.prefill_exchange, "of prompts; none: as without an engine");
    f("decode_exchange", p.decode_exchange, "of next tokens; none: as without an engine");
    f("host", p.host, "what the host does for a step");
    f("front_end", p.front_end, "what it does for a request outside of steps");
    f("memory", p.memory, "how it divides a GPU's memory");
    f("batch", p.batch, "limits it sets where a scenario does not");
  }
};

constexpr std::string_view kUsualEngine = "sglang";

/// `name`: that of an entry without "engine-", or a YAML path.  Throws ConfigError with the engines there are.
Engine load_engine(const std::string& name, const std::string& beside = "");
/// The engine that `config` names; throws at its place.
Engine read_engine(const Config& config);
}  // namespace moesim::forward
