#include "spec/scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "spec/attention_rules.h"
#include "spec/check_model.h"
#include "spec/scale_steps.h"

namespace moesim::spec {
void fail_scale(std::string_view key, std::string_view problem) {
  throw ConfigError(fmt::format("scale.{}", key), std::string(problem));
}

int smaller(std::string_view key, const std::optional<int>& given, int old, double factor, int unit, int least) {
  if (!given) {
    const int down = unit * int(std::ceil(double(old) / factor / unit));
    return std::min(old, std::max(down, least));
  }
  if (old == 0) fail_scale(key, "the model has none");
  if (*given < 1 || *given > old)
    fail_scale(key, fmt::format("must lie between 1 and the model's {}, got {}", old, *given));
  return *given;
}

void not_for(std::string_view key, const std::optional<int>& given, std::string_view why) {
  if (given) fail_scale(key, why);
}

void scale_equal_heads(AttentionShape& a, const Scale& s) {
  not_for("kv_heads", s.kv_heads, fmt::format("{} has as many as heads; give heads", name_of(a.kind)));
  a.heads = a.kv_heads = smaller("heads", s.heads, a.heads, s.factor);
}

double left_of_factor(const AttentionShape& a, const Scale& s, int before) {
  return std::max(1.0, s.factor * double(a.heads) / double(before));
}

/// The shared network keeps its ratio to an expert.
static void scale_experts(MoeShape& moe, const Scale& s) {
  const double ratio = double(moe.shared_width) / moe.expert_width;
  moe.expert_width = smaller("expert_width", s.expert_width, moe.expert_width, s.factor, 1, 4);
  if (moe.shared_width > 0) moe.shared_width = std::max(1, int(ratio * moe.expert_width));
}

Model scaled(const Model& model, const Scale& s) {
  constexpr int kLeastVocabulary = 256;  // so that any text can be read byte by byte
  if (!model.unsupported.empty())
    fail_scale("factor", fmt::format("{} cannot be run: {}", model.name, model.unsupported));
  if (!model.unpublished.empty()) fail_scale("factor", fmt::format("nothing is published of {}", model.name));
  if (!(s.factor >= 1 && s.factor <= 1e6)) fail_scale("factor", fmt::format("must be 1 or more, got {}", s.factor));
  Model m = model;
  m.hidden = smaller("hidden", s.hidden, m.hidden, s.factor, 2, 4);
  m.dense_width = smaller("dense_width", s.dense_width, m.dense_width, s.factor, 1, 4);
  m.vocabulary = smaller("vocabulary", s.vocabulary, m.vocabulary, s.factor, 1, kLeastVocabulary);
  if (m.moe)
    scale_experts(*m.moe, s);
  else
    not_for("expert_width", s.expert_width, "a dense model has no experts");
  if (!m.attention.indexer)
    for (const auto& [key, given] : {std::pair{"index_heads", s.index_heads}, {"index_head_dim", s.index_head_dim}})
      not_for(key, given, "the model has no indexer");
  rules_of(m.attention.kind).scale(m.attention, s);
  if (m.delta) scale_delta(*m.delta, s);
  if (m.mamba) scale_mamba(*m.mamba, s);
  if (m.kimi) scale_kimi(*m.kimi, s);
  if (!m.delta && !m.mamba && !m.kimi) {
    not_for("state_heads", s.state_heads, "the model has no layers with a state");
    not_for("state_dim", s.state_dim, "the model has no layers with a state");
  }
  check_model(
      m, [](std::string_view key, std::string_view problem) { fail_scale(key.substr(key.rfind('.') + 1), problem); });
  m.title += ", scaled down";
  m.hugging_face = m.license = "";
  m.published = {};
  return m;
}

Scale laptop_scale(const Model& model) {
  Scale s;
  const AttentionShape& a = model.attention;
  s.hidden = std::min(128, model.hidden);
  if (model.dense_width > 0) s.dense_width = std::min(256, model.dense_width);
  if (model.moe) s.expert_width = std::min(32, model.moe->expert_width);
  s.heads = std::min(4, a.heads);
  s.vocabulary = std::min(256, model.vocabulary);
  if (model.delta) {
    s.state_heads = std::min(2, model.delta->key_heads);
    s.state_dim = std::min(32, model.delta->key_dim);
  }
  if (model.mamba) {
    s.state_heads = std::min(2, model.mamba->groups);
    s.state_dim = std::min(32, model.mamba->head_dim);
  }
  if (model.kimi) {
    s.state_heads = std::min(2, model.kimi->heads);
    s.state_dim = std::min(32, model.kimi->dim);
  }
  rules_of(a.kind).fit_laptop(a, s);
  return s;
}
}  // namespace moesim::spec
