// Turns what other systems record into a routing trace.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "routing/trace.h"
#include "routing/trace_limits.h"
#include "spec/model.h"

namespace moesim::routing {

struct ImportOptions {
  std::string format;  // "" to recognise it
  std::string model;   // catalogue name, YAML or config.json; "" if not given
  std::string output;  // the trace to write
  std::string layers;  // what the layer axis counts where the format leaves it open: "hidden", "moe", or "" to find out
  int experts = 0;     // 0: the model's, the file's, or the largest id and one
  int top_k = 0;       // 0: the model's or the file's
  std::int64_t tokens = 0;  // of a trace drawn from counts; 0: as many as were counted, at most kMostSampled
  std::uint64_t seed = 0;   // of that drawing
};
/// A trace drawn from counts holds at most this many tokens unless more are asked for.
inline constexpr std::int64_t kMostSampled = 65'536;

/// Ids of a block, unless a single token has more: so much is in memory at once, whatever a file says.
inline constexpr std::int64_t kBlockIds = 1 << 20;
/// Tokens of such a block of a file whose rows have so many layers and choices.
inline std::int64_t block_tokens(std::int64_t layers, std::int64_t top_k) {
  return std::max<std::int64_t>(1, kBlockIds / std::max<std::int64_t>(1, layers * top_k));
}

/// What an importer works with.
struct ImportContext {
  std::vector<std::string> files;
  ImportOptions options;
  std::optional<spec::Model> model;
};

/// How the rows along a file's layer axis are numbered.
enum class LayerAxis {
  hidden,    ///< all layers of the model; dense ones hold nothing
  moe,       ///< MoE layers only, in order
  numbered,  ///< each row has the model's layer number
  open       ///< the format leaves it open
};

/// Tokens with their choices, some at a time.
struct TokenBlock {
  std::vector<TraceToken> tokens;
  std::vector<std::int32_t> ids;  // (tokens, axis, top_k), absent = -1
  std::vector<float> weights;     // the same shape, or empty
  std::string where;              // file, and line or token of the first row, for messages
};
/// Routing of single tokens.  Whatever a block says of numbers is checked where it is used; the importer sees to it
/// that a block is no larger than what it read, or than kBlockIds.  `blocks` hands out all of it each time it is
/// called.
struct RoutedSource {
  std::string name;  // "SGLang per_token"
  std::string file;  // for messages
  LayerAxis axis = LayerAxis::open;
  int axis_size = 0;
  std::vector<int> layers;  // numbered: (axis_size), ascending
  int experts = 0;          // as the file says; 0 if it does not
  int top_k = 0;
  int id_bits = 32;  // 8: ids up to 255 only
  bool weights = false, token_ids = false, requests = false, phases = false;
  bool zero_is_empty = false;  // buffers start as zeros: all-zero choices (top-k above 1) are absent
  std::vector<std::string> domains{""};
  std::vector<std::string> notes;
  std::function<void(const std::function<void(const TokenBlock&)>&)> blocks;
};
/// Writes the trace: settles layers, experts and top-k with the model, checks every id.
/// Throws ConfigError naming file and place; then nothing is left behind.
void import_routing(const ImportContext& context, const RoutedSource& source);

/// Tokens per expert and layer of one pass.
struct CountedPass {
  std::vector<double> counts;  // (axis, experts)
};
struct CountedSource {
  std::string name, file;
  LayerAxis axis = LayerAxis::hidden;
  int axis_size = 0, experts = 0;
  std::vector<int> layers;  // numbered: (axis_size), ascending
  int top_k = 0;            // as the file says; 0 if it does not
  std::vector<CountedPass> passes;
  std::vector<std::string> notes;
};
/// Draws tokens whose loads are exactly the counts (or in proportion, if fewer tokens are asked for), pass by pass:
/// in each layer the experts lie one after the other as often as they count, and token t of T takes places t, t + T,
/// ... of that row, so that no token has an expert twice; which token is which is shuffled.
void import_counts(const ImportContext& context, const CountedSource& source);

struct Importer {
  std::string_view name, summary;
  /// Looks at the first file's beginning only; throws nothing for what it does not know.
  bool (*recognise)(const std::string& file, std::string_view head);
  void (*read)(const ImportContext& context);
};
/// In the order in which files are tried.
const std::vector<Importer>& importers();
/// Reads the files in the format that is named or recognised, and writes options.output.
/// Returns the name of the format.  Throws ConfigError.
std::string_view import_trace(const std::vector<std::string>& files, const ImportOptions& options);

// One a file.
Importer sglang_recorder_importer(), tensorrt_llm_importer(), imatrix_importer(), router_logits_importer(),
    npy_importer(), npy_loads_importer(), sglang_reply_importer(), vllm_reply_importer(), megatron_importer(),
    token_layer_importer(), plain_tokens_importer(), loads_importer();
}  // namespace moesim::routing
