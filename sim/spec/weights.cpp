// The list of a model's weights, and the parameters and bytes that follow from it.
#include <fmt/format.h>

#include <array>

#include "core/ceil_div.h"
#include "core/elementary.h"
#include "core/named_enum.h"
#include "spec/attention_rules.h"
#include "spec/count.h"
#include "spec/layer_shape.h"

namespace moesim::spec {
namespace {
std::int64_t blocks(std::int64_t n, std::int64_t size) { return ceil_div(n, size); }

bool is_gated(const Model& m) { return m.expert_inputs() == 2; }

/// Collects the weights that `copies` layers hold and `active` of them one token passes.
struct Collector {
  std::vector<WeightShape>& out;
  std::int64_t copies = 0;
  bool mtp = false;

  void add(ParameterPart part, std::int64_t rows, std::int64_t columns, bool linear, std::int64_t each = 1,
           std::int64_t active = 1) {
    if (rows * columns * each * copies == 0) return;
    out.push_back({part, rows, columns, copies * each, copies * active, linear, mtp, false, false});
  }
  void vector(ParameterPart part, std::int64_t width) { add(part, 1, width, false); }

  void attention(const Model& m, AttentionKind kind) {
    const AttentionShape a = heads_of(m.attention, kind);
    for (const AttentionWeight& w : rules_of(kind).weights(m))
      add(ParameterPart::attention, w.rows, w.columns, w.matrix);
    add(ParameterPart::attention, m.hidden, rules_of(kind).output_width(m), true);
    if (!caches_tokens(kind)) return;
    if (a.o_bias) vector(ParameterPart::attention, m.hidden);
    if (a.sinks) vector(ParameterPart::attention, a.heads);
  }
  void indexer(const Model& m) {
    for (const AttentionWeight& w : rules_of(m.attention.kind).indexer_weights(m))
      add(ParameterPart::attention, w.rows, w.columns, w.matrix);
  }
  bool gated = true;  // networks of three matrices; false: of two

  void ffn(ParameterPart part, std::int64_t hidden, std::int64_t width, bool bias, std::int64_t each = 1,
           std::int64_t active = 1) {
    const int up = gated ? 2 : 1;
    add(part, width, hidden, true, up * each, up * active);  // gate and up
    add(part, hidden, width, true, each, active);            // down
    if (!bias) return;
    add(part, 1, 2 * width, false, each, active);
    add(part, 1, hidden, false, each, active);
  }
  /// hashed: layers of them whose experts a table says, without a selection bias.
  void mixture(const Model& m, int hashed = 0) {
    const MoeShape& s = *m.moe;
    ffn(ParameterPart::routed, m.row_width(), s.expert_width, s.expert_bias, s.experts, s.top_k);
    add(ParameterPart::shared, s.latent_width, m.hidden, true);  // to the routed experts' width
    add(ParameterPart::shared, m.hidden, s.latent_width, true);  // and back
    if (s.latent_norm) vector(ParameterPart::norm, s.latent_width);
    ffn(s.dense_beside ? ParameterPart::dense : ParameterPart::shared, m.hidden, s.shared_total(), false);
    if (s.shared_gate) vector(ParameterPart::shared, m.hidden);
    add(ParameterPart::gate, s.gate_outputs(), m.hidden, false);
    if (s.router_linear_bias) vector(ParameterPart::gate, s.gate_outputs());
    if (s.selection_bias && copies > hashed)
      out.push_back(
          {ParameterPart::gate, 1, s.gate_outputs(), copies - hashed, copies - hashed, false, mtp, false, true});
  }
  /// What makes entries of `entry` tokens.
  void entries(const Model& m, int entry) {
    for (const AttentionWeight& w : rules_of(m.attention.kind).entry_weights(m, entry))
      add(ParameterPart::attention, w.rows, w.columns, w.matrix);
  }
  /// Before each half of a layer: from all streams to the weights that read, mix and write them; a base each, and three
  /// scales.  Counted with attention; released in FP32, here as the rest: a ten-thousandth of the bytes.
  void streams(const Model& m) {
    const std::int64_t n = m.residual_streams, numbers = (2 + n) * n;
    if (n == 1) return;
    add(ParameterPart::attention, numbers, n * m.hidden, false, 2, 2);
    add(ParameterPart::attention, 1, numbers, false, 2, 2);
    add(ParameterPart::attention, 1, 3, false, 2, 2);
  }
  /// Before each half of a layer: a query and a norm, by which it attends to the results of blocks of layers.
  void block_residuals(const Model& m) {
    if (m.residual_blocks > 0) add(ParameterPart::attention, 1, m.hidden, false, 4, 4);
  }
  /// After the last layer: from all streams to a weight of each.
  void last_streams(const Model& m) {
    const std::int64_t n = m.residual_streams;
    if (n == 1) return;
    add(ParameterPart::attention, n, n * m.hidden, false);
    vector(ParameterPart::attention, n + 1);
  }
  void norms(const Model& m) { add(ParameterPart::norm, 1, m.hidden, false, m.norms_per_layer, m.norms_per_layer); }
};

/// Bytes of one copy.
double stored_bytes(const WeightShape& w, Storage storage) {
  const Dtype dtype = storage.of(w.part);
  if (quantised(dtype) && w.linear) return double(matrix_bytes(w.rows, w.columns, dtype));
  if (dtype == Dtype::fp32) return double(w.each()) * 4;
  return double(w.each()) * (w.selection_bias && storage.quantised() ? 4 : 2);
}

std::int64_t& part_of(Parameters& p, ParameterPart part) {
  switch (part) {
    case ParameterPart::embedding:
      return p.embedding;
    case ParameterPart::attention:
      return p.attention;
    case ParameterPart::dense:
      return p.dense;
    case ParameterPart::routed:
      return p.routed;
    case ParameterPart::shared:
      return p.shared;
    case ParameterPart::gate:
      return p.gate;
    case ParameterPart::norm:
      return p.norms;
    case ParameterPart::head:
      return p.head;
  }
  return p.norms;
}
}  // namespace

std::vector<WeightShape> weight_shapes(const Model& m) {
  std::vector<WeightShape> out;
  const auto moe_layers = std::int64_t(m.moe_layers().size());
  Collector once{out, 1, false}, all{out, m.layers, false}, dense{out, m.halved() ? 0 : m.layers - moe_layers, false};
  once.add(ParameterPart::embedding, m.vocabulary, m.hidden, false);
  if (m.delta) Collector{out, std::int64_t(m.delta->layers.size()), false}.attention(m, AttentionKind::gated_delta);
  if (m.kimi) Collector{out, std::int64_t(m.kimi->layers.size()), false}.attention(m, AttentionKind::kimi_delta);
  if (m.mamba) Collector{out, std::int64_t(m.mamba->layers.size()), false}.attention(m, AttentionKind::mamba2);
  const int windows = layers_of_kind(m, AttentionKind::windowed);
  if (windows > 0) Collector{out, windows, false}.attention(m, AttentionKind::windowed);
  Collector{out, caching_layers(m) - windows, false}.attention(m, m.attention.kind);
  for (const EntryLayers& of : entry_layers(m, false)) Collector{out, of.layers, false}.entries(m, of.entry);
  Collector{out, layers_with_indexer(m), false}.indexer(m);
  dense.ffn(ParameterPart::dense, m.hidden, m.dense_width, false);
  if (m.moe) Collector{out, moe_layers, false, is_gated(m)}.mixture(m, m.moe->hash_layers);
  all.norms(m);
  all.streams(m);
  all.block_residuals(m);
  once.last_streams(m);
  once.vector(ParameterPart::norm, m.hidden);
  if (!m.tied_embeddings) once.add(ParameterPart::head, m.vocabulary, m.hidden, false);

  if (m.mtp_layers == 0) return out;
  // An MTP layer: norms of its two inputs and of its output, the map that joins them, then a layer like the last one;
  // releases store its shared embedding and head again.
  Collector mtp{out, m.mtp_layers, true, is_gated(m)};
  mtp.add(ParameterPart::norm, 1, m.hidden, false, 3, 3);
  mtp.add(ParameterPart::dense, m.hidden, 2 * std::int64_t{m.hidden}, false);
  mtp.attention(m, m.attention.kind);
  for (const EntryLayers& of : entry_layers(m, true)) {
    Collector{out, of.layers, true}.entries(m, of.entry);
    if (of.entry == m.attention.compressed->indexed) Collector{out, of.layers, true}.indexer(m);
  }
  if (!m.attention.compressed) mtp.indexer(m);
  mtp.streams(m);
  if (m.moe)
    mtp.mixture(m);
  else
    mtp.ffn(ParameterPart::dense, m.hidden, m.dense_width, false);
  for (int half = 0; half < (m.halved() ? 2 : 1); ++half) mtp.norms(m);  // a module of halves is two of them
  if (traits_of(m.architecture).mtp_shares_ends) return out;
  for (const ParameterPart part : {ParameterPart::embedding, ParameterPart::head}) {
    mtp.add(part, m.vocabulary, m.hidden, false);
    out.back().duplicate = true;
  }
  return out;
}

Parameters count_parameters(const Model& model) {
  Parameters p;
  for (const WeightShape& w : weight_shapes(model)) {
    const std::int64_t all = w.copies * w.each();
    if (w.linear && released_storage(model).of(w.part) == Dtype::fp8)
      p.fp8_scales += w.copies * blocks(w.rows, 128) * blocks(w.columns, 128);
    if (w.mtp) {
      p.mtp_stored += all;
      if (!w.duplicate) p.mtp += all;
      continue;
    }
    part_of(p, w.part) += all;
    p.active += w.active * w.each();
  }
  p.active_no_embedding = p.active - (model.tied_embeddings ? 0 : p.embedding);
  return p;
}

std::int64_t expert_parameters(const Model& model) {
  if (!model.moe) return 0;
  std::vector<WeightShape> out;
  Collector{out, 1, false, is_gated(model)}.ffn(ParameterPart::routed, model.row_width(), model.moe->expert_width,
                                                model.moe->expert_bias);
  std::int64_t sum = 0;
  for (const WeightShape& w : out) sum += w.copies * w.each();
  return sum;
}

std::int64_t attention_parameters(const Model& model, AttentionKind kind) {
  std::vector<WeightShape> out;
  Collector{out, 1, false}.attention(model, kind);
  std::int64_t sum = 0;
  for (const WeightShape& w : out) sum += w.each();
  return sum;
}

std::int64_t attention_parameters(const Model& model) { return attention_parameters(model, model.attention.kind); }

std::int64_t indexer_parameters(const Model& model) {
  std::vector<WeightShape> out;
  Collector{out, 1, false}.indexer(model);
  std::int64_t sum = 0;
  for (const WeightShape& w : out) sum += w.each();
  return sum;
}

std::int64_t gate_parameters(const Model& model) {
  if (!model.moe) return 0;
  return std::int64_t{model.moe->gate_outputs()} * (model.hidden + (model.moe->router_linear_bias ? 1 : 0));
}

Dtype Storage::of(ParameterPart part) const {
  if (part == ParameterPart::attention) return attention.value_or(dtype);
  if (part == ParameterPart::routed) return experts.value_or(dtype);
  return dtype;
}
bool Storage::quantised() const {
  return spec::quantised(dtype) || (attention && spec::quantised(*attention)) || (experts && spec::quantised(*experts));
}

std::string storage_text(const Storage& s) {
  std::string out(name_of(s.dtype));
  if (s.attention && s.attention != s.dtype) out += fmt::format(", attention {}", name_of(*s.attention));
  if (s.experts && s.experts != s.dtype) out += fmt::format(", experts {}", name_of(*s.experts));
  return out;
}

Storage released_storage(const Model& model) { return {model.weights, model.attention_weights, model.expert_weights}; }

Bytes weight_bytes(const Model& model, Storage storage) {
  double sum = 0;  // whole numbers below 2^53: exact
  for (const WeightShape& w : weight_shapes(model))
    if (!w.mtp) sum += double(w.copies) * stored_bytes(w, storage);
  return {std::int64_t(sum)};
}

Bytes released_bytes(const Model& model) {
  double sum = 0;
  for (const WeightShape& w : weight_shapes(model)) sum += double(w.copies) * stored_bytes(w, released_storage(model));
  return {std::int64_t(sum)};
}

double weight_bytes_read(const Model& model, Storage storage, int batch) {
  double sum = 0;
  for (const WeightShape& w : weight_shapes(model)) {
    if (w.mtp) continue;
    if (w.part == ParameterPart::embedding && !model.tied_embeddings) {
      sum += stored_bytes({w.part, 1, w.columns, 1, 1}, storage) * batch;
      continue;
    }
    const double share = double(w.active) / double(w.copies);
    sum += double(w.copies) * (1 - pow_of(1 - share, batch)) * stored_bytes(w, storage);
  }
  return sum;
}
}  // namespace moesim::spec
