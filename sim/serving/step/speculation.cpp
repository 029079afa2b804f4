#include "serving/step/speculation.h"

#include <fmt/format.h>

#include <charconv>

namespace moesim::serving {

std::vector<double> measured_acceptance(const routing::TraceHeader& trace) {
  constexpr std::string_view kBefore = "speculation acceptance [";  // as `moesim record` writes it
  std::vector<double> out;
  for (const std::string& note : trace.notes) {
    const std::size_t found = note.find(kBefore);
    if (found == std::string::npos) continue;
    const char *at = note.data() + found + kBefore.size(), *end = note.data() + note.size();
    double value = 0;
    for (auto r = std::from_chars(at, end, value); r.ec == std::errc(); r = std::from_chars(at, end, value)) {
      out.push_back(value);
      at = r.ptr;
      while (at != end && (*at == ',' || *at == ' ')) ++at;
    }
    return out;
  }
  return out;
}

namespace {
void check_tree(const SpeculationSpec& spec) {
  const DraftTree& tree = spec.tree;
  if (tree.width < 1) throw ConfigError("tree.width", fmt::format("must be at least 1, got {}", tree.width));
  if (tree.width > 64) throw ConfigError("tree.width", fmt::format("expected at most 64, got {}", tree.width));
  if (tree.tokens < 0) throw ConfigError("tree.tokens", fmt::format("must be at least 0, got {}", tree.tokens));
  if (tree.width == 1 && tree.tokens == 0) return;
  if (!spec.computed()) throw ConfigError("tree", fmt::format("has no effect: {} drafts a chain", name_of(spec.kind)));
  // The first level has `width` nodes; from each of them grow as many, of which `width` go on.
  const std::int64_t width = tree.width, most = width + (spec.depth() - 1) * width * width;
  if (tree.tokens == 0)
    throw ConfigError("tree.tokens",
                      fmt::format("missing: a tree of width {} needs the drafts a step verifies, {} to {}", width,
                                  spec.depth(), most));
  if (tree.tokens < spec.depth() || tree.tokens > most)
    throw ConfigError("tree.tokens", fmt::format("{} levels of width {} grow {} to {} drafts, got {}", spec.depth(),
                                                 width, spec.depth(), most, tree.tokens));
}
}  // namespace

void check_speculation(const SpeculationSpec& spec) {
  for (double a : spec.acceptance)
    if (!(a >= 0 && a <= 1)) throw ConfigError("acceptance", fmt::format("must lie between 0 and 1, got {}", a));
  if (spec.acceptance.size() > 64)
    throw ConfigError("acceptance", fmt::format("expected at most 64 drafts, got {}", spec.acceptance.size()));
  if (spec.kind != DraftKind::none && spec.acceptance.empty())
    throw ConfigError("acceptance", "needs a value for each draft");
  check_tree(spec);
  const EagleHead& head = spec.eagle;
  if (spec.kind != DraftKind::eagle && (head.ffn_width != 0 || head.vocabulary != 0))
    throw ConfigError("eagle", fmt::format("has no effect: the kind is {}", name_of(spec.kind)));
  if (head.ffn_width < 0) throw ConfigError("eagle.ffn_width", fmt::format("must be above 0, got {}", head.ffn_width));
  if (head.vocabulary < 0)
    throw ConfigError("eagle.vocabulary", fmt::format("must be above 0, got {}", head.vocabulary));
}

spec::Model eagle_model(const spec::Model& target, const EagleHead& head) {
  using spec::AttentionKind;
  if (target.attention.kind != AttentionKind::mha && target.attention.kind != AttentionKind::gqa)
    throw ConfigError("kind", fmt::format("EAGLE heads have grouped-query attention, {} has {}; its own drafts are mtp",
                                          target.name, name_of(target.attention.kind)));
  if (head.ffn_width == 0 && target.dense_width == 0)
    throw ConfigError("eagle.ffn_width",
                      fmt::format("missing: {} has no dense layer whose width the head could have", target.name));
  if (head.vocabulary > target.vocabulary)
    throw ConfigError("eagle.vocabulary",
                      fmt::format("{} has {} tokens, got {}", target.name, target.vocabulary, head.vocabulary));
  spec::Model out = target;
  out.name = target.name + "-eagle";
  out.layers = 1;
  out.moe.reset(), out.delta.reset(), out.mamba.reset(), out.kimi.reset();
  out.residual_blocks = 0;
  out.network_layers.clear();
  out.mtp_layers = 0;
  out.norms_per_layer = 2;
  out.attention.sliding_window = 0;
  out.attention.sliding_layers.clear();
  out.attention.chunked = false;
  out.attention.window_heads.reset();
  out.attention.head_gate = out.attention.keys_are_values = false;
  out.weights = spec::Dtype::bf16;
  out.attention_weights.reset(), out.expert_weights.reset();
  if (head.ffn_width > 0) out.dense_width = head.ffn_width;
  if (head.vocabulary > 0) out.vocabulary = head.vocabulary;
  return out;
}
}  // namespace moesim::serving
