#include <fmt/format.h>

#include <algorithm>

#include "core/words.h"
#include "formats/json.h"
#include "recording/evaluate.h"

namespace moesim::recording {
namespace {
double share(std::int64_t part, std::int64_t all) { return all == 0 ? 0 : double(part) / double(all); }

/// The mean over layers of a loss.
double mean(const std::vector<LayerBalance>& balance, double LayerBalance::*which) {
  double sum = 0;
  for (const LayerBalance& b : balance) sum += b.*which;
  return balance.empty() ? 0 : sum / double(balance.size());
}

/// "fp8", or "fp8 capacity" for another gate than the model's own.
std::string label(const Losses& l) {
  std::string gate = l.gate == "published" ? "" : " " + l.gate;
  std::erase_if(gate, [](char c) { return c == '{' || c == '}'; });
  return std::string(name_of(l.precision)) + gate;
}
int width(const Losses& l) { return std::max(12, int(label(l).size())); }

std::string row(const std::string& name, const Evaluation& e, const auto& value, const char* unit) {
  std::string out = fmt::format("{:<34}", name);
  for (const Losses& l : e.losses) out += fmt::format(" {:>{}.5f}", value(l), width(l));
  if (e.losses.size() > 1) out += fmt::format(" {:>+12.5f}", value(e.losses[0]) - value(e.losses[1]));
  return out + "  " + unit + "\n";
}

std::string losses_text(const Evaluation& e) {
  std::string out = fmt::format("{:<34}", "");
  for (const Losses& l : e.losses) out += fmt::format(" {:>{}}", label(l), width(l));
  if (e.losses.size() > 1) out += fmt::format(" {:>12}", "change");
  out += "\n" + row(
                    "next token", e, [](const Losses& l) { return l.next_token; }, "nats a token");
  for (std::size_t d = 0; d < e.losses[0].drafts.size(); ++d) {
    out += row(
        fmt::format("prediction {} further on", d + 2), e, [d](const Losses& l) { return l.drafts[d].loss; },
        "nats a token");
    out += row(
        fmt::format("draft {} accepted", d + 1), e, [d](const Losses& l) { return l.drafts[d].acceptance; },
        d == 0 ? "of drafts" : "of drafts, those before it accepted");
  }
  if (!e.losses[0].drafts.empty())
    out += row(
        fmt::format("total, predictions weigh {}", e.mtp_weight), e, [](const Losses& l) { return l.total; },
        "nats a token");
  if (!e.losses[0].balance.empty()) {
    out += row(
        "balance of each text", e, [](const Losses& l) { return mean(l.balance, &LayerBalance::sequence); },
        "mean of layers, 1 is even");
    out += row(
        "balance of all texts", e, [](const Losses& l) { return mean(l.balance, &LayerBalance::batch); },
        "mean of layers, 1 is even");
    out += row(
        "hottest expert over the mean", e, [](const Losses& l) { return mean(l.balance, &LayerBalance::hottest); },
        "mean of layers, 1 is even");
    const auto dropped = [](const Losses& l) { return mean(l.balance, &LayerBalance::dropped); };
    if (std::ranges::any_of(e.losses, [&](const Losses& l) { return dropped(l) > 0; }))
      out += row("choices dropped", e, dropped, "of all choices");
  }
  return out;
}

std::string change_text(const Evaluation& e) {
  const PrecisionChange& c = *e.change;
  std::string out;
  if (!c.layers.empty()) {
    out += fmt::format("\nchoices that change from {} to {}\n{:>5}  {:>20}  {:>20}\n", label(e.losses[1]),
                       label(e.losses[0]), "layer", "other experts", "only their order");
    LayerChange all;
    const auto line = [&](const std::string& name, const LayerChange& l, std::int64_t tokens) {
      out += fmt::format("{:>5}  {:>10} {:>7.2f} %  {:>10} {:>7.2f} %\n", name, l.experts,
                         100 * share(l.experts, tokens), l.order, 100 * share(l.order, tokens));
    };
    for (const LayerChange& l : c.layers) {
      line(fmt::format("{}", l.layer), l, e.tokens);
      all.experts += l.experts, all.order += l.order;
    }
    line("all", all, e.tokens * std::int64_t(c.layers.size()));
    out += fmt::format("{} of {} tokens ({:.2f} %) meet another expert somewhere\n", c.tokens_touched, e.tokens,
                       100 * share(c.tokens_touched, e.tokens));
  }
  out += fmt::format(
      "\nlogits: largest change {:.6g}, mean {:.6g}; the likeliest next token stays for {} of {} ({:.2f} %)\n",
      c.largest_logit, c.mean_logit, c.same_best, e.tokens, 100 * share(c.same_best, e.tokens));
  return out;
}

formats::Json losses_json(const Losses& l) {
  formats::Json out{
      {"precision", name_of(l.precision)}, {"gate", l.gate}, {"predicted", l.predicted}, {"next_token", l.next_token}};
  out["drafts"] = formats::Json::array();
  for (const DraftQuality& q : l.drafts)
    out["drafts"].push_back({{"predicted", q.predicted}, {"loss", q.loss}, {"acceptance", q.acceptance}});
  out["total"] = l.total;
  out["balance"] = formats::Json::array();
  for (const LayerBalance& b : l.balance)
    out["balance"].push_back({{"layer", b.layer},
                              {"sequence", b.sequence},
                              {"batch", b.batch},
                              {"hottest", b.hottest},
                              {"dropped", b.dropped}});
  return out;
}
}  // namespace

std::string evaluation_text(const Evaluation& e) {
  std::string out = fmt::format("{}: {} of {}\n\n", e.model, counted(e.tokens, "token"), counted(e.requests, "text")) +
                    losses_text(e);
  if (e.change) out += change_text(e);
  return out;
}

std::string evaluation_json(const Evaluation& e) {
  formats::Json out{{"model", e.model}, {"tokens", e.tokens}, {"texts", e.requests}, {"mtp_weight", e.mtp_weight}};
  out["losses"] = formats::Json::array();
  for (const Losses& l : e.losses) out["losses"].push_back(losses_json(l));
  if (e.change) {
    const PrecisionChange& c = *e.change;
    formats::Json layers = formats::Json::array();
    std::int64_t experts = 0, order = 0;
    for (const LayerChange& l : c.layers) {
      layers.push_back({{"layer", l.layer}, {"other_experts", l.experts}, {"other_order", l.order}});
      experts += l.experts, order += l.order;
    }
    const std::int64_t choices = e.tokens * std::int64_t(c.layers.size());
    out["change"] = {{"from", label(e.losses[1])},
                     {"to", label(e.losses[0])},
                     {"layers", layers},
                     {"other_experts_share", share(experts, choices)},
                     {"other_order_share", share(order, choices)},
                     {"tokens_touched_share", share(c.tokens_touched, e.tokens)},
                     {"largest_logit", c.largest_logit},
                     {"mean_logit", c.mean_logit},
                     {"same_best_share", share(c.same_best, e.tokens)}};
  }
  return formats::json_text(out, 2) + "\n";
}

std::string acceptance_note(const Evaluation& e) {
  if (e.losses.empty() || e.losses[0].drafts.empty()) return "";
  std::string values;
  for (const DraftQuality& q : e.losses[0].drafts)
    values += fmt::format("{}{:.4f}", values.empty() ? "" : ", ", q.acceptance);
  return fmt::format("the multi-token-prediction drafts agree with the main head: speculation acceptance [{}]", values);
}
}  // namespace moesim::recording
