// The front of a plan's deployments: what each gives a GPU and a user.
#include <cmath>

#include "pages/studies/common.h"
#include "pages/studies/size_rows.h"
#include "results/summary.h"

namespace moesim::pages {

std::string usd_an_hour(double v) { return std::isfinite(v) ? fmt::format("{:.2f} USD/h", v) : ""; }

bool meets_targets(const Rows& all, std::size_t i) {
  const std::string& fate = all.text(i, kFate);
  return fate == "chosen" || fate == "front" || fate == "meets";
}

namespace {
constexpr std::size_t kMostDots = 2500;  // cheapest first

/// Why the answer is the answer: nothing is cheaper, and of what costs as much it was chosen.
std::string why_chosen(const Rows& all, const Queries& q) {
  std::size_t answer = all.size(), next = all.size(), equal = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all.text(i, kFate) == "chosen") answer = i;
  if (answer == all.size()) return "";
  const double cost = all.number(answer, kCost);
  const auto same = [&](std::size_t i) { return std::fabs(all.number(i, kCost) - cost) <= 1e-9 * cost; };
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i == answer || !meets_targets(all, i)) continue;
    equal += same(i);
    if (!same(i) && (next == all.size() || all.number(i, kCost) < all.number(next, kCost))) next = i;
  }
  if (equal == 0)
    return next == all.size()
               ? "Nothing else that was tried meets the targets. "
               : fmt::format("The answer is the cheapest that meets the targets; the next is {}, for {}. ",
                             all.text(next, kDeployment), usd_an_hour(all.number(next, kCost)));
  const Rows choice = q.rows("choice");
  std::string out = fmt::format("{} deployments that were tried meet the targets for {}", equal + 1, usd_an_hour(cost));
  if (!choice.empty()) return fmt::format("{}; of these the answer is chosen: {}. ", out, choice.text(0, 0));
  const Rows ranked = q.rows("ranked");
  for (std::size_t i = 0; i < ranked.size() && i < 3; ++i)
    out += fmt::format("{}{}: {}", i == 0 ? ". Over several seeds: " : "; ", ranked.text(i, 0), ranked.text(i, 1));
  return out + ". ";
}

/// Whether the answer gives a user more than all that meets the targets and costs as much or less.
bool answer_on_front(const Rows& all) {
  std::size_t answer = 0;
  while (answer < all.size() && all.text(answer, kFate) != "chosen") ++answer;
  if (answer == all.size()) return true;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i != answer && meets_targets(all, i) && all.number(i, kCost) <= all.number(answer, kCost) * (1 + 1e-9) &&
        all.number(i, kUserRate) > all.number(answer, kUserRate))
      return false;
  return true;
}
std::size_t front_size(const Rows& all) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < all.size(); ++i)
    out += all.text(i, kFate) == "front" || (all.text(i, kFate) == "chosen" && answer_on_front(all));
  return out;
}

/// Where the targets lie: what a user gets while TPOT is what it may be.
std::vector<Guide> user_targets(const Facts& f) {
  std::vector<Guide> out;
  for (const char* of : {"mean", "p50", "p90", "p99"})
    if (const auto t = seconds_of(f.setting(fmt::format("size.targets.tpot_{}", of))); t && *t > 0)
      out.push_back({1 / *t, fmt::format("target: TPOT {} {}", of, results::pretty(*t, "s"))});
  return out;
}

}  // namespace

void add_front(Page& page, const Facts& f, const Rows& all, const Queries& q) {
  Scatter s;
  s.aria = "Deployments: tokens a GPU and second against tokens a user and second";
  s.x_name = "a user", s.x_unit = "tokens/s", s.y_name = "a GPU, prompts and answers", s.y_unit = "tokens/s";
  s.at_x = user_targets(f);
  s.joined = false;  // the front is of prices
  std::size_t fit = 0, front = front_size(all), tried = 0;
  for (std::size_t i = 0; i < all.size() && s.dots.size() < kMostDots; ++i) {
    const std::string& fate = all.text(i, kFate);
    const Scatter::Look look = fate == "chosen"  ? Scatter::Look::chosen
                               : fate == "front" ? Scatter::Look::front
                               : fate == "meets" ? Scatter::Look::other
                                                 : Scatter::Look::rejected;
    fit += look != Scatter::Look::rejected;
    tried += all.number(i, kSimulations) > 0;
    s.dots.push_back({all.number(i, kUserRate), all.number(i, kGpuRate),
                      all.text(i, kDeployment) + ", " + all.text(i, kNode),
                      fate + (all.text(i, kReason).empty() ? "" : ": " + spaced(all.text(i, kReason))),
                      fmt::format("{} GPUs, {}", all.text(i, kGpus), usd_an_hour(all.number(i, kCost))), look});
  }
  if (s.dots.empty()) return;
  Section section;
  section.id = "front";
  section.question = "Which deployments are worth considering?";
  section.answer = html("{} of {} simulated deployments meet the targets", fit, brief(double(tried)));
  if (fit > 0)
    section.answer +=
        html(", and {} of these{} {} cheaper or faster a user than all others", strong(fmt::to_string(front)),
             answer_on_front(all) ? "" : ", not the answer,", front == 1 ? "is" : "are");
  if (tried < s.dots.size()) section.answer += html("; {} were not simulated", brief(double(s.dots.size() - tried)));
  section.above = key_html({{"the answer", "fa"},
                            {"front: nothing is cheaper and faster a user", "ring"},
                            {"meets the targets", "fr"},
                            {"fell: reason in its tip and below", "rej"}});
  section.panels.push_back({"", why_chosen(all, q), scatter(s)});
  section.note =
      "Filled and ringed ones were simulated; most open ones fell in closed form, where their figures are estimates. "
      "All GPUs that are paid for count.";
  if (!s.at_x.empty())
    section.note +=
        " Dashed: what a user gets while TPOT is at its target; points are means, so that some to the right of it miss "
        "their percentile.";
  section.sql = {q.sql("candidates"), q.sql("choice"), q.sql("ranked")};
  if (all.size() > kMostDots) section.note += fmt::format(" The first {} of {}.", kMostDots, all.size());
  page.sections.push_back(std::move(section));
}
}  // namespace moesim::pages
