// The cheapest or fastest way to train a model that a plan asked for, and what fell.
#include <algorithm>
#include <cmath>

#include "core/words.h"
#include "pages/studies/common.h"
#include "pages/studies/mapping_others.h"
#include "pages/studies/studies.h"
#include "pages/studies/training_stages.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
// Columns of the query `mappings`.
enum Column {
  kNumber,
  kWords,
  kNode,
  kNodes,
  kGpus,
  kFate,
  kReason,
  kLeast,
  kStep,
  kDays,
  kCost,
  kMfu,
  kBubble,
  kExposed,
  kPeak,
  kPipeline,
  kExpert,
  kTensor,
  kData,
  kSchedule,
  kRecompute,
  kRunDays,
  kRunCost,
  kRunWithin
};
constexpr std::size_t kMostNamed = 16, kMostDots = 2500, kMostRows = 2500;

std::string usd(double v) { return std::isfinite(v) ? brief(v) + " USD" : ""; }

/// Of the draws of a run's failures, as many as targets are held against.
std::string share_of_draws(const Facts& f) {
  const double share = std::strtod(f.setting("size.targets.share").c_str(), nullptr);
  return share > 0 ? share_text(share) + " of them" : "the share asked for";
}

bool simulated(const Rows& all, std::size_t i) { return std::isfinite(all.number(i, kStep)); }
bool meets(const Rows& all, std::size_t i) { return all.text(i, kFate) == "chosen" || all.text(i, kFate) == "meets"; }
std::string name_of(const Rows& all, std::size_t i) {
  return fmt::format("{}, {} GPUs of {}", all.text(i, kWords), all.text(i, kGpus), all.text(i, kNode));
}

/// Whether nothing that meets the targets is both sooner and cheaper.
bool on_front(const Rows& all, std::size_t i) {
  for (std::size_t k = 0; k < all.size(); ++k)
    if (k != i && meets(all, k) && simulated(all, k) && all.number(k, kDays) <= all.number(i, kDays) &&
        all.number(k, kCost) <= all.number(i, kCost) &&
        (all.number(k, kDays) < all.number(i, kDays) || all.number(k, kCost) < all.number(i, kCost)))
      return false;
  return true;
}

void add_front(Page& page, const LongUnit& unit, const Facts& f, const Rows& all, const Queries& q) {
  Scatter s;
  s.aria = "Mappings: time against cost";
  s.x_name = unit.name + ", without interruptions", s.y_name = "USD";
  if (const double days = std::strtod(f.setting("size.targets.days").c_str(), nullptr); days > 0)
    s.at_x.push_back({unit.a_day * days, "target " + unit.text(days)});
  if (const double cost = std::strtod(f.setting("size.targets.cost").c_str(), nullptr); cost > 0)
    s.at_y.push_back({cost, "target " + usd(cost)});
  std::size_t met = 0, front = 0;
  for (std::size_t i = 0; i < all.size() && s.dots.size() < kMostDots; ++i) {
    if (!simulated(all, i)) continue;
    const bool fits = meets(all, i), best = fits && on_front(all, i);
    met += fits, front += best;
    s.dots.push_back({unit.a_day * all.number(i, kDays), all.number(i, kCost), name_of(all, i),
                      all.text(i, kFate) + (all.text(i, kReason).empty() ? "" : ": " + all.text(i, kReason)),
                      fmt::format("{} GPUs", all.text(i, kGpus)),
                      all.text(i, kFate) == "chosen" ? Scatter::Look::chosen
                      : best                         ? Scatter::Look::front
                      : fits                         ? Scatter::Look::other
                                                     : Scatter::Look::rejected});
  }
  if (s.dots.empty()) return;
  Section section;
  section.id = "front";
  section.question = "Which ways are worth considering?";
  section.answer = met == 0 ? html("None of {} simulated mappings {}", s.dots.size(), bad("meets the targets"))
                            : html(
                                  "{} of {} simulated mappings meet the targets, and {} of these {} sooner or cheaper "
                                  "than all others",
                                  met, s.dots.size(), strong(fmt::to_string(front)), front == 1 ? "is" : "are");
  section.above = key_html({{"the answer", "fa"},
                            {"front: nothing is sooner and cheaper", "ring"},
                            {"meets the targets", "fr"},
                            {"fell: reason in its tip and below", "rej"}});
  section.panels.push_back({"", "", scatter(s)});
  section.note = "Simulated steps times the steps that the tokens take; both axes start at 0.";
  section.sql = {q.sql("mappings")};
  page.sections.push_back(std::move(section));
}

double computing_share(const Rows& all, std::size_t i) {
  return 1 - (all.number(i, kBubble) + all.number(i, kExposed)) / all.number(i, kStep);
}

/// A bar for the fastest ones: what they compute, wait and send.
void add_limits(Page& page, const Facts& f, const Rows& all, const Queries& q) {
  Stacks k;
  k.aria = "Parts of a step of the fastest mappings";
  k.label_name = "mapping", k.unit = "s";
  k.parts = {{"computing", Tone::answer}, {"bubble", Tone::rest}, {"exposed communication", Tone::alert}};
  Bars memory;
  memory.aria = "Memory of the fullest GPU of the fastest mappings";
  memory.label_name = "mapping", memory.value_name = "fullest GPU", memory.unit = "B";
  std::size_t answer = all.size();
  std::vector<double> computing;  // shares
  std::string kind;               // of node, where all have one
  for (std::size_t i = 0; i < all.size(); ++i)
    if (kind.empty() || kind == all.text(i, kNode))
      kind = all.text(i, kNode);
    else
      kind = "?";
  if (const std::optional<double> holds = gpu_memory(f); holds && kind != "?")
    memory.limits.push_back({*holds, "what a GPU holds: " + results::pretty(*holds, "B")});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool chosen = all.text(i, kFate) == "chosen";
    if (chosen) answer = i;
    if (!simulated(all, i) || (k.stacks.size() >= kMostNamed && !chosen)) continue;
    const double step = all.number(i, kStep), bubble = all.number(i, kBubble), exposed = all.number(i, kExposed);
    const std::string label = fmt::format("{} GPUs: {}", all.text(i, kGpus), all.text(i, kWords));
    computing.push_back(computing_share(all, i));
    k.stacks.push_back({label, {step - bubble - exposed, bubble, exposed}, results::pretty(step, "s")});
    const double peak = all.number(i, kPeak);
    memory.bars.push_back({label, 0, peak, results::pretty(peak, "B"), chosen ? "the answer" : all.text(i, kFate),
                           chosen ? Tone::answer : Tone::rest});
  }
  if (k.stacks.empty()) return;
  Section s;
  s.id = "limits";
  s.question = "What limits each of them?";
  const auto [low, high] = std::ranges::minmax(computing);
  const std::string least = share_text(low), most = share_text(high);
  const std::string of = fmt::format("Of the steps of the {} fastest mappings", k.stacks.size());
  if (answer < all.size())
    s.answer = apart(least, most,
                     html("{} {} to {} compute, of the answer's {}", of, least, most,
                          strong(share_text(computing_share(all, answer)))),
                     html("{} {} compute", of, strong(least)));
  else
    s.answer = html("The fastest {} that were simulated", k.stacks.size());
  s.panels.push_back({"a step", "", stacks(k)});
  s.panels.push_back({"memory of the fullest GPU", "", bars(memory)});
  s.note = fmt::format("The {} fastest that were simulated, means over their GPUs.", k.stacks.size());
  s.sql = {q.sql("mappings")};
  page.sections.push_back(std::move(s));
}

void add_ledger(Page& page, const LongUnit& unit, const Facts& f, const Rows& all, const Queries& q) {
  DataTable t{"",
              {"mapping", "node", "GPUs", "step", unit.name, "USD", "MFU", "bubble", "exposed", "fullest GPU",
               "at least", "whole run", "in most draws", "its USD", "fate", "reason"},
              {}};
  for (std::size_t i = 0; i < all.size() && i < kMostRows; ++i)
    t.rows.push_back({cell(all.text(i, kWords)), cell(all.text(i, kNode)), cell(all.number(i, kGpus)),
                      cell(all.number(i, kStep), "s"), cell(unit.a_day * all.number(i, kDays)),
                      cell(all.number(i, kCost)), cell(all.number(i, kMfu)), cell(all.number(i, kBubble), "s"),
                      cell(all.number(i, kExposed), "s"), cell(all.number(i, kPeak), "B"),
                      cell(all.number(i, kLeast), "s"), cell(unit.a_day * all.number(i, kRunDays)),
                      cell(unit.a_day * all.number(i, kRunWithin)), cell(all.number(i, kRunCost)),
                      cell(all.text(i, kFate)), cell(all.text(i, kReason))});
  Section s;
  s.id = "ledger";
  s.question = "What else was tried?";
  s.answer = html("{} mappings", all.size());
  s.below = html(
      "<p class=\"ctl\"><label>Only rows with <input type=\"search\" data-filter=\"ledger-rows\"></label> <output "
      "id=\"ledger-rows-n\"></output></p>{}",
      table_html(t, "ledger-rows"));
  s.note = fmt::format(
      "At least: the kernels of the busiest rank alone; no step of the mapping is shorter. Whole run: {}, with "
      "failures, checkpoints and repairs, of those whose run was simulated: the mean over the draws of its failures, "
      "and "
      "what {} takes at most.",
      unit.name, share_of_draws(f));
  if (all.size() > kMostRows) s.note += fmt::format(" The first {} of them; the table mapping has all.", kMostRows);
  s.sql = {q.sql("mappings")};
  page.sections.push_back(std::move(s));
}

void add_keys(Page& page, const LongUnit& unit, const Facts& f, const Rows& chosen) {
  const auto key = [&](std::string label, int column, std::string_view name, std::string shown, std::string beside) {
    page.keys.push_back({std::move(label), std::move(shown), std::move(beside), "", "",
                         chosen.number(0, std::size_t(column)),
                         fmt::format("SELECT {} FROM mapping WHERE fate = 'chosen' ORDER BY mapping LIMIT 1", name)});
  };
  const double days = std::strtod(f.setting("size.targets.days").c_str(), nullptr),
               cost = std::strtod(f.setting("size.targets.cost").c_str(), nullptr);
  // Of the whole run: means over its draws, and what is held against the targets.
  const bool run = std::isfinite(chosen.number(0, 10));
  const auto beside = [&](bool asked, const std::string& within, const std::string& target) {
    std::string out = run ? fmt::format("{} in {}", within, share_of_draws(f)) : "";
    if (asked) out += (out.empty() ? "of " : ", of ") + target;
    return out;
  };
  key(run ? "Time, with failures" : "Time, without interruptions", 4, "coalesce(run_days, days)",
      unit.text(chosen.number(0, 4)), beside(days > 0, unit.text(chosen.number(0, 12)), unit.text(days)));
  key("Cost", 5, "coalesce(run_cost, cost)", results::pretty(chosen.number(0, 5), "USD"),
      beside(cost > 0, usd(chosen.number(0, 13)), usd(cost)));
  if (run)
    key("Draws within the targets", 14, "run_share_met", share_text(chosen.number(0, 14)), "of the run's failures");
  key("A step", 6, "step_time", results::pretty(chosen.number(0, 6), "s"),
      fmt::format("MFU {}", share_text(chosen.number(0, 7))));
  const std::optional<double> holds = gpu_memory(f);
  key("Fullest GPU", 8, "peak_memory", results::pretty(chosen.number(0, 8), "B"),
      holds ? "of " + results::pretty(*holds, "B") : "");
}
}  // namespace

Page mapping_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "mapping"), training = Queries::of(db, "training");
  Page page = begun_page(f, q, {"run"});
  page.kind = "size";
  const Rows chosen = q.rows("chosen"), nearest = q.rows("nearest"), all = q.rows("mappings");
  const LongUnit unit = long_unit(f, !chosen.empty()    ? chosen.number(0, 4)
                                     : !nearest.empty() ? nearest.number(0, 4)
                                                        : NAN);
  if (!chosen.empty()) {
    const double spare = chosen.number(0, 11);
    page.headline = html("{} GPUs of {}{} train it in {} for {}: {}", brief(chosen.number(0, 3)), chosen.text(0, 1),
                         spare > 0 ? fmt::format(" and {} in waiting", counted(std::int64_t(spare), "node")) : "",
                         strong(unit.text(chosen.number(0, 4))), usd(chosen.number(0, 5)), chosen.text(0, 0));
    add_keys(page, unit, f, chosen);
  } else if (!nearest.empty()) {
    page.headline = html("{} of {} mappings meets the targets; nearest: {} GPUs, {} for {}", bad("None"), all.size(),
                         brief(nearest.number(0, 3)), unit.text(nearest.number(0, 4)), usd(nearest.number(0, 5)));
  } else {
    page.headline = html("{} of {} mappings can be formed, fits and might meet the targets", bad("None"), all.size());
  }
  if (page.keys.empty())
    page.keys.push_back({"Mappings", results::pretty(double(all.size()), ""), "tried", "", "", double(all.size()),
                         "SELECT count(*) FROM mapping"});
  add_front(page, unit, f, all, q);
  add_mapping_scaling(page, unit, f, q);
  add_limits(page, f, all, q);
  if (f.has("step_time")) add_training(page, f, training);
  add_mapping_fates(page, q);
  add_ledger(page, unit, f, all, q);
  return page;
}
}  // namespace moesim::pages
