#include "serving/step/layered_cost.h"

#include <algorithm>
#include <numeric>

#include "core/ceil_div.h"
#include "core/check.h"
#include "serving/step/micro_batch.h"

namespace moesim::serving {

LayeredCost::LayeredCost(Setup setup) : s_(std::move(setup)), parts_(*s_.model, *s_.kernels, s_.options, s_.share) {
  const int layers = s_.model->layers;
  if (s_.experts) {
    bank_ = std::make_unique<ExpertBank>(*s_.experts);
    original_ = bank_->maps();
    original_shares_ = bank_->setup().copy_shares;
    if (s_.experts->group != nullptr) ports_ = PortUse(*s_.experts->group, s_.calibration);
    if (s_.rebalancing)
      rebalancing_ =
          std::make_unique<Rebalancing>(*s_.rebalancing, expert_bytes(*s_.model, s_.options), *bank_, ports_);
  }
  slow_link_.assign(std::size_t(s_.parallel.stage_gpus()), 1);
  adapter_ = slow_link_;
  adapter_lost_.assign(slow_link_.size(), false);
  int next = 0;
  routed_.resize(std::size_t(parts_.classes()));
  for (int l = 0; l < layers; ++l) {
    const int c = parts_.class_of(l);
    ordinal_.push_back(s_.model->is_moe_layer(l) && bank_ ? next++ : -1);
    routed_[std::size_t(c)] = ordinal_.back() >= 0;
    reduces_.push_back(parts_.attends(c) +
                       (parts_.has_network(c) && (ordinal_.back() < 0 || s_.parallel.experts_tensor)));
  }
  for (int g = 0; g < s_.parallel.tensor; ++g) tensor_group_.push_back(GpuId(g));
  layer_seconds_.resize(std::size_t(layers));
  exposed_.resize(std::size_t(layers));
  layer_balance_.resize(std::size_t(layers));
  sent_.hop_tokens.resize(std::size_t(s_.parallel.pipeline * s_.parallel.places()));
  rank_slow_.assign(std::size_t(s_.parallel.places()), 1);
  const std::size_t micros = std::size_t(overlap_plan(s_.overlap).micro_batches);
  micro_.resize(micros);
  tokens_.resize(micros);
  most_.resize(micros);
  by_class_.resize(std::size_t(parts_.classes()) * micros);
  slowest_of_.resize(by_class_.size() + 1);
  set_up_context();
  set_up_drafts();
}

/// One all-reduce of the rank's tokens, or the reduce-scatter and all-gather that stand for it.
Time LayeredCost::tensor_time(std::int64_t tokens) {
  if (s_.parallel.tensor == 1 || tokens == 0) return {};
  const auto [entry, fresh] = tensor_times_.try_emplace(tokens);
  if (fresh)
    entry->second = network::engine_all_reduce(*s_.topology, s_.calibration, s_.all_reduce, tensor_group_,
                                               Bytes{tokens * s_.model->hidden * 2})
                        .time;
  return entry->second;
}

/// Activations on their way to the next pipeline stage, split over the tensor group.
Time LayeredCost::hop_time(std::int64_t tokens) {
  const auto [entry, fresh] = hop_times_.try_emplace(tokens);
  if (fresh) {
    const GpuId pair[] = {GpuId(0), GpuId(std::uint32_t(s_.parallel.stage_gpus()))};
    entry->second = network::collective_time(*s_.topology, s_.calibration, network::Collective::point_to_point,
                                             network::CollectiveAlgorithm::best, pair,
                                             Bytes{tokens * s_.model->stream_width() * 2 / s_.parallel.tensor});
  }
  return entry->second;
}

/// The attention of the slowest rank in a layer of this class.
LayerPieces LayeredCost::attention_pieces(int layer_class, std::span<const compute::Batch> ranks,
                                          SlowestRanks& slowest) {
  LayerPieces out;
  if (!parts_.attends(layer_class)) return out;
  Time most{-1};
  std::int64_t fullest = 0;
  // An indexer's time grows with all keys, attention over its picks with those alone: no rank stands for another.
  if (any_slow_ || parts_.picks(layer_class)) {
    slowest_.resize(ranks.size());
    std::iota(slowest_.begin(), slowest_.end(), std::size_t{0});
  } else {
    slowest.find(ranks, parts_.windowed(layer_class), slowest_);
  }
  for (const compute::Batch& b : ranks) fullest = std::max(fullest, b.tokens);
  for (const std::size_t r : slowest_) {
    if (ranks[r].tokens == 0) continue;
    PartCosts::Attention a = parts_.attention(layer_class, ranks[r]);
    if (any_slow_) {
      a.in = Time{std::int64_t(double(a.in.v) / rank_slow_[r])};
      a.core = Time{std::int64_t(double(a.core.v) / rank_slow_[r])};
    }
    if (a.in + a.core <= most) continue;
    most = a.in + a.core;
    out[Piece::attention_in] = a.in;
    out[Piece::attention_core] = a.core;
    out.above_attention = a.above;
  }
  if (fullest == 0) return out;
  out.tensor_core = tensor_time(fullest) + keys_time(layer_class, fullest);
  return out;
}

/// What a micro-batch of a step costs in a layer, before its routed experts; and how much of it there is.
void LayeredCost::price_micro_batch(int micro) {
  const int micros = int(micro_.size()), classes = parts_.classes();
  const std::vector<compute::Batch>& ranks = micro_[std::size_t(micro)];
  std::int64_t fullest = 0;
  double tokens = 0, most = 0;
  for (const compute::Batch& b : ranks) {
    fullest = std::max(fullest, b.tokens);
    tokens += double(b.tokens);
    most = std::max(most, double(b.tokens) / s_.parallel.tensor);
  }
  tokens_[std::size_t(micro)] = tokens;
  most_[std::size_t(micro)] = most;
  for (int c = 0; c < classes; ++c) {
    const std::size_t at = std::size_t(c * micros + micro);
    LayerPieces& p = by_class_[at];
    const int same = parts_.attention_class(c);
    p = same < c ? by_class_[std::size_t(same * micros + micro)] : attention_pieces(c, ranks, slowest_of_[at]);
    parts_.take_above();
    p[Piece::shared] = parts_.shared(c, fullest);
    p.above = p.above_attention + parts_.take_above();
  }
  finish_dense(micro);
}

/// Layers without routed experts differ only by their class: what they cost is worked out once a step.
void LayeredCost::finish_dense(int micro) {
  const int micros = int(micro_.size());
  const std::int64_t fullest = std::int64_t(most_[std::size_t(micro)] * s_.parallel.tensor);
  for (int c = 0; c < parts_.classes(); ++c) {
    if (routed_[std::size_t(c)]) continue;
    LayerPieces& p = by_class_[std::size_t(c * micros + micro)];
    if (parts_.has_network(c)) p[Piece::shared] += p.tensor_shared = tensor_time(fullest);
    p[Piece::attention_core] += p.tensor_core;
  }
}

/// Appends the pieces of one layer for one micro-batch, and adds them to the books.
void LayeredCost::add_layer(const StepWork& work, int layer, int micro, StepTimes& out) {
  const std::size_t m = std::size_t(micro);
  const int micros = int(micro_.size()), c = parts_.class_of(layer), ordinal = ordinal_[std::size_t(layer)];
  LayerPieces& p = layers_.emplace_back(by_class_[std::size_t(c * micros + micro)]);
  std::array<double, 6>& books = layer_seconds_[std::size_t(layer)];
  if (ordinal < 0) {
    out.drawn += p.above;
    for (const Piece piece : {Piece::attention_in, Piece::attention_core, Piece::shared})
      books[std::size_t(piece)] += seconds(p[piece]);
    return;
  }
  const std::int64_t fullest = std::int64_t(most_[m] * s_.parallel.tensor);
  if (parts_.has_network(c) && s_.parallel.experts_tensor) {
    p.tensor_shared = tensor_time(fullest);
    p[Piece::shared] += p.tensor_shared;
  }
  if (tokens_[m] > 0) {
    p.gate = parts_.gate(c, fullest);
    p.above += parts_.take_above();
    const ExpertTimes e = bank_->times(std::size_t(ordinal), work.step, micro, tokens_[m], most_[m], weights_);
    p[Piece::dispatch] = from_seconds(e.dispatch);
    p[Piece::experts] = from_seconds(e.experts);
    p[Piece::combine] = from_seconds(e.combine);
    exchanging_ += e.dispatch - bank_->solving(std::size_t(ordinal)) + e.combine;
    p.above += e.above;
    out.waiting += e.experts - e.mean_experts;
    balance_sum_ += e.balancedness;
    balance_count_ += 1;
    layer_balance_[std::size_t(layer)] += e.balancedness / micros;
  }
  p[Piece::attention_core] += p.gate + p.tensor_core;
  out.drawn += p.above;
  for (std::size_t i = 0; i < books.size(); ++i) books[i] += seconds(p.time[i]);
}

/// Runs layers [first, last) and adds the stage to `out`.
void LayeredCost::run_stage(const StepWork& work, int first, int last, StepTimes& out) {
  const OverlapPlan& plan = overlap_plan(s_.overlap);
  for (int m = 0; m < plan.micro_batches; ++m) price_micro_batch(m);
  layers_.clear();
  int all_reduces = 0;
  for (int l = first; l < last; ++l) {
    all_reduces += reduces_[std::size_t(l)];
    for (int m = 0; m < plan.micro_batches; ++m) add_layer(work, l, m, out);
  }
  const Time total = overlapped_time(plan, layers_, out.parts,
                                     std::span(exposed_).subspan(std::size_t(first), std::size_t(last - first)));
  count_ranks(int(out.stages.size()), all_reduces);
  count_gathers(int(out.stages.size()), first, last);
  out.stages.push_back(total);
}

/// Shares of the sources of routing, which come in the order prefill, decode of each domain.
void LayeredCost::weigh_sources(const StepWork& work) {
  double prefill = 0, all = 0;
  for (const compute::Batch& b : work.ranks) {
    prefill += double(b.prefill.queries);
    all += double(b.tokens);
  }
  const std::size_t sources = bank_->setup().sources.size();
  const double share = all > 0 ? prefill / all : 0;
  weights_.assign(sources, 0);
  const double domains = std::accumulate(work.domains.begin(), work.domains.end(), 0.0);
  for (std::size_t d = 0; 2 * d < sources; ++d) {
    const double of = sources == 2                             ? 1
                      : domains > 0 && d < work.domains.size() ? work.domains[d] / domains
                                                               : 2.0 / double(sources);
    weights_[2 * d] = share * of;
    weights_[2 * d + 1] = (1 - share) * of;
  }
}

/// Deals out every rank's batch, or the parts that its prompts are cut into, to the micro-batches.
void LayeredCost::deal_out(const StepWork& work) {
  const int micros = int(micro_.size()), parts = s_.parallel.context;
  for (auto& m : micro_) m.resize(work.ranks.size() * std::size_t(parts));
  for (std::size_t r = 0; r < work.ranks.size() && parts == 1; ++r)
    for (int m = 0; m < micros; ++m) set_micro_batch(work.ranks[r], m, micros, micro_[std::size_t(m)][r]);
  for (std::size_t place = 0; parts > 1 && place < work.ranks.size() * std::size_t(parts); ++place) {
    const compute::Batch part =
        compute::prompt_part(work.ranks[place / std::size_t(parts)], int(place % std::size_t(parts)), parts);
    for (int m = 0; m < micros; ++m) set_micro_batch(part, m, micros, micro_[std::size_t(m)][place]);
  }
}

void LayeredCost::cost_of_first(int layers, const StepWork& work, StepTimes& out) {
  out.stages.clear();
  out.parts.fill(0);
  out.waiting = out.drawn = 0;
  balance_sum_ = balance_count_ = exchanging_ = 0;
  step_ = work.step;
  ++steps_;
  deal_out(work);
  if (bank_) {
    bank_->sharing(ports_.left());
    bank_->begin(work.recorded);
    weigh_sources(work);
  }
  std::int64_t fullest = 0, outputs = 0, requests = 0, tokens = 0;
  for (const compute::Batch& b : work.ranks) {
    fullest = std::max(fullest, b.tokens);
    tokens += b.tokens;
    requests = std::max(requests, b.prefill.sequences + b.decode.sequences);
    outputs = std::max(outputs, b.outputs);
  }
  const int stages = s_.parallel.pipeline;
  const std::int64_t fullest_part = ceil_div(fullest, std::int64_t{s_.parallel.context});
  for (int stage = 0; stage < stages; ++stage) {
    run_stage(work, layers * stage / stages, layers * (stage + 1) / stages, out);
    if (stage > 0) {
      const Time hop = hop_time(fullest_part);
      out.stages.back() += hop;
      out.parts[std::size_t(StepPart::tensor)] += seconds(hop);
    }
  }
  const Time whole = hidden_time(fullest_part);
  out.stages.back() += whole;
  out.parts[std::size_t(StepPart::tensor)] += seconds(whole);
  const Time drafts = draft_time(work, layers - 1, out);
  parts_.take_above();
  const Time ends = parts_.embedding(fullest) + parts_.head(fullest, outputs) + drafts;
  out.drawn += parts_.take_above();
  out.stages.back() += ends;
  out.parts[std::size_t(StepPart::head)] += seconds(ends);
  // The host of a pipeline prepares one batch while the others run.
  const Time wait = s_.host.wait(requests, work.after_idle ? Time{} : out.total());
  out.stages.front() += wait;
  out.parts[std::size_t(StepPart::launch)] += seconds(wait);
  const Time stall = rebalancing_ ? rebalancing_->take_stall() : Time{};
  out.stages.front() += stall;
  out.parts[std::size_t(StepPart::other)] += seconds(stall);
  const double length = seconds(out.total());
  // Layers and ends are on one stage each; the GPUs of the others wait.
  out.drawn = out.drawn / stages + s_.kernels->model().gpu().draw.launch * length;
  ports_.stepped(length);
  busy_ = length > 0 ? std::min(1.0, exchanging_ / length) : 0;
  if (rebalancing_) rebalancing_->stepped(step_, weights_, double(tokens), length);
  out.balancedness = balance_count_ > 0 ? balance_sum_ / balance_count_ : 1;
}

void LayeredCost::slow_gpu(int gpu, double share) {
  const int local = gpu % s_.parallel.stage_gpus();
  rank_slow_[std::size_t(local / s_.parallel.tensor)] = share;
  any_slow_ = true;
  if (bank_ && !s_.parallel.experts_tensor) bank_->slow_gpu(local, share);
}

Time LayeredCost::rebalance() { return rebalancing_ && !weights_.empty() ? rebalancing_->plan(step_) : Time{}; }

void LayeredCost::crosses(int gpu, bool nvlink, Bytes bytes, Time lasts) {
  if (nvlink == ports_.nvlink()) ports_.add(gpu % s_.parallel.stage_gpus(), double(bytes.v), seconds(lasts));
}

double LayeredCost::port_busy(bool nvlink) const { return nvlink == ports_.nvlink() ? busy_ : 0; }
}  // namespace moesim::serving
