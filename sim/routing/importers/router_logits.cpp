// Router logits of Hugging Face transformers: an .npz with router_logits_<i> and input_ids.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "formats/npy.h"
#include "formats/zip.h"
#include "numerics/pass/gate.h"
#include "routing/importers/import.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kPiece = 1024;

struct Logits {
  std::vector<formats::ArraySource> layers;  // (tokens, experts) or (batch, sequence, experts)
  std::vector<std::int32_t> tokens;
  std::int64_t count = 0, sequence = 0;  // tokens; tokens of one sequence
  int experts = 0;
};

formats::ArraySource entry(const formats::ZipFile& zip, const std::string& name) {
  const auto& e = zip.entries().at(name);
  const std::string where = fmt::format("{}: {}", zip.file()->name(), name);
  formats::ArraySource a = e.deflated ? formats::npy_array(std::make_shared<const std::string>(zip.read(name)), where)
                                      : formats::npy_array(zip.file(), e.offset, e.size);
  a.where = where;
  return a;
}

Logits read_logits(const std::string& file) {
  const formats::ZipFile zip(std::make_shared<const formats::ByteFile>(file));
  Logits out;
  if (!zip.entries().contains("input_ids.npy")) throw ConfigError(fmt::format("{}: has no input_ids", file));
  const formats::ArraySource ids = entry(zip, "input_ids.npy");
  if (ids.shape.empty() || ids.shape.size() > 2)
    throw ConfigError(fmt::format("{}: expected [batch, sequence], got {}", ids.where, ids.shape_text()));
  out.count = ids.elements();
  out.sequence = ids.shape.back();
  if (out.count < 1) throw ConfigError(fmt::format("{}: holds no token", ids.where));
  ids.read_integers(0, ids.shape[0], out.tokens);
  for (int i = 0; i <= kMostLayers && zip.entries().contains(fmt::format("router_logits_{}.npy", i)); ++i) {
    formats::ArraySource a = entry(zip, fmt::format("router_logits_{}.npy", i));
    const std::size_t rank = a.shape.size();
    const std::int64_t tokens = rank == 2 ? a.shape[0] : rank == 3 ? a.shape[0] * a.shape[1] : -1;
    if (tokens != out.count || a.shape.back() < 1 || formats::is_integer(a.type))
      throw ConfigError(fmt::format("{}: expected floats [{} tokens, experts], got {} {}", a.where, out.count,
                                    name_of(a.type), a.shape_text()));
    if (out.experts == 0) out.experts = int(std::min<std::int64_t>(a.shape.back(), INT16_MAX + 1));
    if (a.shape.back() != out.experts)
      throw ConfigError(fmt::format("{}: has {} experts, the layers before {}", a.where, a.shape.back(), out.experts));
    if (rank == 3) {  // the same numbers as one list of tokens
      if (!a.row_major()) throw ConfigError(fmt::format("{}: expected C order", a.where));
      a.shape = {out.count, a.shape.back()};
      a.strides = {a.shape.back(), 1};
    }
    out.layers.push_back(std::move(a));
  }
  if (out.layers.empty()) throw ConfigError(fmt::format("{}: has no router_logits_0", file));
  std::size_t layers = 0;
  for (const auto& [name, e] : zip.entries()) layers += name.starts_with("router_logits_");
  if (layers != out.layers.size())
    throw ConfigError(
        fmt::format("{}: has {} layers of router_logits, but no router_logits_{}", file, layers, out.layers.size()));
  return out;
}

/// How the experts are chosen from the logits.
spec::MoeShape gate_of(const ImportContext& c, const Logits& logits, std::vector<std::string>& notes) {
  spec::MoeShape out;
  if (c.model) {
    out = *c.model->moe;
    if (out.selection_bias) {
      notes.push_back(
          "the model's selection bias is not in the file: experts were chosen without it, and some choices differ");
    } else {
      notes.push_back("experts were chosen from the logits by the model's gate");
    }
    if (out.experts != logits.experts)
      throw ConfigError(fmt::format("{}: has {} experts, but {} has {}", logits.layers[0].where, logits.experts,
                                    c.model->name, out.experts));
    return out;
  }
  if (c.options.top_k == 0)
    throw ConfigError(
        fmt::format("{}: logits do not say how many experts a token uses; give --model or --top-k", c.files[0]));
  if (c.options.top_k > logits.experts)
    throw ConfigError::placed(
        fmt::format("--top-k: expected at most the {} experts, got {}", logits.experts, c.options.top_k));
  out.experts = logits.experts;
  out.top_k = c.options.top_k;
  notes.push_back(fmt::format("experts are the {} largest logits with their softmax as weights, for no model was given",
                              out.top_k));
  return out;
}

void read(const ImportContext& context) {
  if (context.files.size() > 1) throw ConfigError(fmt::format("{}: expected one file of logits", context.files[1]));
  const Logits logits = read_logits(context.files[0]);
  RoutedSource s;
  s.name = "router logits (Hugging Face transformers)";
  s.file = context.files[0];
  s.axis = LayerAxis::moe;
  s.axis_size = int(logits.layers.size());
  s.experts = logits.experts;
  const spec::MoeShape gate = gate_of(context, logits, s.notes);
  s.top_k = gate.top_k;
  s.weights = s.token_ids = s.requests = true;
  if (!context.model) s.axis = LayerAxis::open;
  s.notes.push_back("the whole text was one pass: all tokens count as prefill");
  const std::size_t k = std::size_t(gate.top_k), axis = logits.layers.size(), experts = std::size_t(logits.experts);
  s.blocks = [&](const auto& take) {
    const std::int64_t piece = std::min(kPiece, block_tokens(s.axis_size + s.experts, s.top_k));
    for (std::int64_t first = 0; first < logits.count; first += piece) {
      const std::int64_t n = std::min(piece, logits.count - first);
      TokenBlock b;
      b.where = fmt::format("{}: tokens from {}", context.files[0], first);
      for (std::int64_t t = first; t < first + n; ++t)
        b.tokens.push_back({0, std::int32_t(t / logits.sequence), std::int32_t(t % logits.sequence),
                            logits.tokens[std::size_t(t)], TracePhase::prefill, 0});
      b.ids.resize(std::size_t(n) * axis * k);
      b.weights.resize(b.ids.size());
      std::vector<double> values;
      std::vector<float> row(experts);
      for (std::size_t a = 0; a < axis; ++a) {
        logits.layers[a].read_reals(first, n, values);
        for (std::size_t t = 0; t < std::size_t(n); ++t) {
          for (std::size_t e = 0; e < experts; ++e) {
            row[e] = float(values[t * experts + e]);
            if (!std::isfinite(row[e]))
              throw ConfigError(fmt::format("{}: token {}, expert {}: a logit is not a number", logits.layers[a].where,
                                            first + std::int64_t(t), e));
          }
          const std::size_t at = (t * axis + a) * k;
          numerics::choose_experts(gate, row.data(), 1, nullptr, &b.ids[at], &b.weights[at]);
        }
      }
      take(b);
    }
  };
  import_routing(context, s);
}

bool recognise(const std::string&, std::string_view head) {
  return head.starts_with("PK\x03\x04") && head.find("data.pkl") == std::string_view::npos &&
         head.substr(0, 512).find(".npy") != std::string_view::npos;
}
}  // namespace

Importer router_logits_importer() {
  return {"router-logits", "router logits of Hugging Face transformers: .npz with router_logits_<i> and input_ids",
          recognise, read};
}
}  // namespace moesim::routing
