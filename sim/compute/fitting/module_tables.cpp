// Tables of whole attention modules: columns gpu, library, path, model, part, batch, new_tokens, cached_tokens, heads,
// weights, kv_cache, time_us.  A row times a layer's attention from its input to its output projection; which kernels
// those are is asked of compute/layers/, as a simulation does.
#include <fmt/format.h>

#include <algorithm>

#include "compute/fitting/equal_scores.h"
#include "compute/layers/inventory.h"
#include "spec/catalogue.h"

namespace moesim::compute {
namespace {
constexpr std::int64_t kLongCaches = 2'000'000;  // cached tokens of all sequences

/// Published names of models, and the catalogue's.
constexpr std::pair<std::string_view, std::string_view> kModuleModels[] = {{"DeepSeek-V3", "deepseek-v3"},
                                                                           {"DeepSeek-V3.2", "deepseek-v3.2"},
                                                                           {"GLM-5", "glm-5"},
                                                                           {"GLM-5.2", "glm-5.2"},
                                                                           {"DeepSeek-V4-Flash", "deepseek-v4-flash"},
                                                                           {"DeepSeek-V4-Pro", "deepseek-v4-pro"},
                                                                           {"DeepSeek-V4-Pro-FP8", "deepseek-v4-pro"},
                                                                           {"MiniMax-M3", "minimax-m3"}};

bool is_part(std::string_view part, const spec::LayerAttention& a) {
  if (part == "dsa") return a.kind == spec::AttentionKind::dsa && a.index == spec::IndexUse::own;
  if (part == "dsa_skip_indexer") return a.kind == spec::AttentionKind::dsa && a.index == spec::IndexUse::shared;
  if (part == "csa") return a.entry > 0 && a.index == spec::IndexUse::own;
  if (part == "hca") return a.entry > 0 && a.index == spec::IndexUse::none;
  if (part == "msa") return a.kind == spec::AttentionKind::block_sparse;
  return a.kind == spec::AttentionKind::mla;
}
constexpr std::string_view kParts[] = {"dsa", "dsa_skip_indexer", "csa", "hca", "msa", "mla"};

spec::Dtype of_weights(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view name = csv.text(r, "weights");
  if (name == "bfloat16") return spec::Dtype::bf16;
  if (name == "fp8_block") return spec::Dtype::fp8;
  if (name == "nvfp4") return spec::Dtype::nvfp4;
  csv.fail(r, fmt::format("weights: expected bfloat16, fp8_block or nvfp4, got \"{}\"", name));
}
spec::Dtype of_cache(const formats::CsvTable& csv, std::size_t r) {
  const std::string_view name = csv.text(r, "kv_cache");
  if (name == "bfloat16") return spec::Dtype::bf16;
  if (name == "fp8") return spec::Dtype::fp8;
  csv.fail(r, fmt::format("kv_cache: expected bfloat16 or fp8, got \"{}\"", name));
}

/// Whether a module's time has this operation in it.  SGLang's DSA begins at the query's latent: a kernel of random
/// numbers stands for the projection to both.
bool is_timed(std::string_view operation, bool latents_given) {
  for (const std::string_view around : {"norm", "residual", "streams in", "streams out"})
    if (operation == around) return false;
  return !latents_given || (operation != "cast" && operation != "q_a" && operation != "kv_a");
}

class ModuleReader {
 public:
  ModuleReader(const TableFile& table, const formats::CsvTable& csv)
      : csv_(csv), reader_(csv), scores_(table.file), table_(table.kind) {}
  void read(std::size_t r);
  KernelTable take() { return reader_.take(); }

 private:
  const spec::Model& model(std::size_t r);
  int layer(std::size_t r, const spec::Model& m, std::string_view part) const;
  std::vector<Kernel> kernels(const spec::Model& m, int layer, const Sequences& s, bool decode, const LayerOptions& o,
                              bool latents_given) const;
  /// As the file's name says, or the row: what has nothing before it is no decoding.
  bool is_prompt(const Sequences& s) const {
    return table_.ends_with("_prefill") || (!table_.ends_with("_decode") && (s.fresh > 1 || s.cached == 0));
  }
  /// What equal scores cost the row; none if that is not known.
  std::optional<double> ties(std::size_t r, const spec::Model& m, std::string_view part, const Sequences& s) const;

  const formats::CsvTable& csv_;
  RowReader reader_;
  EqualScores scores_;
  std::string table_;
  std::map<std::string, spec::Model, std::less<>> models_;
};

const spec::Model& ModuleReader::model(std::size_t r) {
  const std::string_view name = csv_.text(r, "model");
  const auto found = models_.find(name);
  if (found != models_.end()) return found->second;
  std::string entry(name);
  for (const auto& [published, own] : kModuleModels)
    if (published == name) entry = own;
  try {
    return models_.emplace(std::string(name), spec::load_model(entry)).first->second;
  } catch (const ConfigError& e) {
    csv_.fail(r, fmt::format("model: {}", e.what()));
  }
}

int ModuleReader::layer(std::size_t r, const spec::Model& m, std::string_view part) const {
  if (std::ranges::find(kParts, part) == std::end(kParts))
    csv_.fail(r, fmt::format("part: expected dsa, dsa_skip_indexer, csa, hca, msa or mla, got \"{}\"", part));
  for (int i = 0; i < m.layers; ++i)
    if (is_part(part, spec::layer_shape(m, i).attention)) return i;
  csv_.fail(r, fmt::format("part: no layer of {} is {}", csv_.text(r, "model"), part));
}

std::vector<Kernel> ModuleReader::kernels(const spec::Model& m, int layer, const Sequences& s, bool decode,
                                          const LayerOptions& o, bool latents_given) const {
  Batch batch;
  if (decode)
    add_decode(batch, m, s.cached, s.fresh, s.batch);
  else
    add_prefill(batch, m, s.fresh, s.cached, s.batch);
  std::vector<Operation> operations;
  append_operations(operations, m, layer, LayerPart::attention, Pass::forward, batch, {}, o);
  std::vector<Kernel> out;
  for (const Operation& op : operations)
    if (is_timed(op.name, latents_given)) out.push_back(op.kernel);
  return out;
}

std::optional<double> ModuleReader::ties(std::size_t r, const spec::Model& m, std::string_view part,
                                         const Sequences& s) const {
  const std::string gpu(csv_.text(r, "gpu")), system = system_of(csv_.text(r, "library"));
  if (part == "dsa" && !csv_.text(r, "path").starts_with("dense"))
    return scores_.seconds(gpu, {system, "dsa_topk", "", m.attention.indexer->top_k}, s);
  // SGLang takes the first version of the kernel in prompts, the second in decoding.
  if (part == "csa")
    return scores_.seconds(gpu, {system, "csa_topk", is_prompt(s) ? "v1" : "v2", m.attention.indexer->top_k, 4}, s);
  return 0.0;
}

void ModuleReader::read(std::size_t r) {
  const spec::Model& m = model(r);
  const std::string_view part = csv_.text(r, "part"), path = csv_.text(r, "path"), library = csv_.text(r, "library");
  const int at = layer(r, m, part), heads = int(csv_.integer(r, "heads", 1, 100'000));
  const Sequences s = sequences_of(csv_, r);
  const bool prompt = is_prompt(s), dsa = part.starts_with("dsa");
  // One new token after others is decoded, whatever it is called.
  const bool decode = s.fresh == 1 && table_ != "v4_prefill" && !(prompt && s.cached == 0);
  LayerOptions o;
  o.graphs = true;
  o.precision.linear = of_weights(csv_, r), o.precision.kv_cache = of_cache(csv_, r);
  // TensorRT-LLM multiplies in the format of the cache (its trtllm-gen kernels; over BF16's peak in these tables).
  if (library.starts_with("trtllm")) o.precision.attention = o.precision.kv_cache;
  if (heads > m.attention.heads) return reader_.leave_out("more heads than the model has");
  if (m.attention.heads % heads != 0)
    csv_.fail(r,
              fmt::format("heads: must divide the {} of {}, got {}", m.attention.heads, csv_.text(r, "model"), heads));
  o.tensor = m.attention.heads / heads;
  const std::string kind = fmt::format("{} module {}", dsa ? "dsa" : part, prompt ? "prefill" : "decode");
  Measurement row = reader_.start_simulated(
      r, kind, fmt::format("{}/{}", name_of(o.precision.linear), name_of(o.precision.kv_cache)));
  const std::optional<double> ties = this->ties(r, m, part, s);
  row.shape = fmt::format("{} {} {}, {} sequences of {} after {}, {} heads, cache {}", m.name, part, path, s.batch,
                          s.fresh, s.cached, heads, name_of(o.precision.kv_cache));
  row.bench = fmt::format("{} {} {}", kind, path.substr(0, path.find('_')), name_of(o.precision.linear));
  if (library.starts_with("trtllm")) row.bench += ", trtllm";
  row.groups.push_back(!ties                                         ? "equal scores in it"
                       : prompt && s.batch * s.cached >= kLongCaches ? "long caches"
                       : path.starts_with("dense")                   ? "plain MLA"
                       : part == "dsa_skip_indexer"                  ? "shared picks"
                                                                     : "all");
  row.sequences.push_back(kernels(m, at, s, decode, o, dsa && library.starts_with("sglang")));
  row.ties = ties.value_or(0), row.seconds -= row.ties;
  double least = 0;
  for (const Kernel& kernel : row.sequences.front()) least += least_seconds(reader_.gpu(r), kernel);
  if (row.ties > 0 && row.seconds < least)
    return reader_.leave_out("its equal scores, as of the nearest single kernel, leave less than its FLOPs need");
  reader_.finish(r, std::move(row));
}
}  // namespace

KernelTable read_modules(const TableFile& table) {
  const formats::CsvTable csv(table.file, {"gpu", "library", "path", "model", "part", "batch", "new_tokens",
                                           "cached_tokens", "heads", "weights", "kv_cache", "time_us"});
  ModuleReader modules(table, csv);
  for (std::size_t r = 0; r < csv.rows(); ++r) modules.read(r);
  return modules.take();
}
}  // namespace moesim::compute
