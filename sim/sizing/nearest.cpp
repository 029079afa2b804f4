#include "sizing/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "results/summary.h"
#include "sizing/lengths.h"

namespace moesim::sizing {
namespace {
std::string named(const Deployment& d) {
  return fmt::format("{} on {} ({} GPUs)", text_of(d), node_name(*d.node), d.gpus());
}

/// Every figure that misses its target: with those as targets it would do.
std::string remedy(const std::vector<Standing>& all) {
  std::string out;
  for (const Standing& s : all)
    if (!s.met()) out += (out.empty() ? "" : ", ") + text_of(s);
  return out;
}

std::string nearest_simulated(const Entry& best, const std::vector<Standing>& all) {
  const Standing& worst = *tightest(all);
  std::string out = fmt::format("Nothing meets the targets. Nearest: {}: {} {}.\n", named(best.deployment),
                                results::share_text(worst.off()), worst.at_least ? "too little" : "too much");
  out += fmt::format("It would do with its own figures as targets: {}.\n", remedy(all));
  if (best.reason.find(", and more would") != std::string::npos)
    out += fmt::format("Why not more instances: {}.\n", best.reason);
  return out;
}

std::string nearest_priced(const Plan& plan, const Search& s) {
  const Entry* best = nullptr;
  double least = 1e300;
  for (const Entry& e : s.entries) {
    const auto all = standings_of_size(plan.section.targets, e.deployment);
    const double used = all.empty() ? 1e300 : tightest(all)->used();
    if (best == nullptr || used < least) least = used, best = &e;
  }
  const auto all = standings_of_size(plan.section.targets, best->deployment);
  std::string out = fmt::format("No deployment can be tried. Nearest in closed form: {}: {}.\n",
                                named(best->deployment), best->reason);
  if (const std::string needed = remedy(all); !needed.empty())
    out += fmt::format("In closed form it would do with its own figures as limits: {}.\n", needed);
  return out;
}

/// How many times its limit a pool's latency is in closed form; huge where something else refused it.
double excess(const Plan& plan, const Proposal& p) {
  if (!p.steady.refused.starts_with("latency")) return 1e300;
  const Targets& t = plan.section.targets;
  return std::max(p.steady.tpot / tpot_limit(t), p.steady.ttft / ttft_limit(t));
}

/// Where a role's pools all fall, and the one that holds most would do for shorter requests.
std::string too_long(const Plan& plan, const Search& s, serving::Role role) {
  const Proposal* most = nullptr;
  for (const Proposal& p : s.proposals)
    if (p.design.role == role && p.steady.holds > 0 && (most == nullptr || p.steady.holds > most->steady.holds))
      most = &p;
  if (most == nullptr) return "";
  const bool prompts = role == serving::Role::prefill;
  return fmt::format(
      "No pool holds the load's longest {}: {} on {} comes nearest, with {} tokens a rank; {} are "
      "longer. Bound their lengths, or allow larger instances.\n",
      prompts ? "prompt" : "request", text_of(most->design, 1), node_name(*most->node), most->steady.holds,
      results::share_text(share_longer(plan, prompts, most->steady.holds)));
}

std::string nearest_pool(const Plan& plan, const Search& s) {
  struct Fallen {
    int count = 0;
    const Proposal* first = nullptr;
  };
  std::map<std::string, Fallen> reasons;
  for (const Proposal& p : s.proposals) {
    if (p.usable()) continue;
    Fallen& f = reasons[p.steady.refused.substr(0, p.steady.refused.find(':'))];
    if (f.count++ == 0) f.first = &p;
  }
  std::string out = "Nothing can be built that meets the targets:";
  for (const auto& [reason, f] : reasons) out += fmt::format(" {} fall by {},", f.count, reason);
  out.back() = '.';
  out += "\n";
  // Where none falls by its latency, no target is near.
  for (const auto& [reason, f] : reasons)
    if (!reasons.contains("latency"))
      out += fmt::format("For example {} on {}: {}.\n", text_of(f.first->design, 1), node_name(*f.first->node),
                         f.first->steady.refused);
  // Of each role by itself: pools of prompts and of answers need both.
  for (const serving::Role role : {serving::Role::both, serving::Role::prefill, serving::Role::decode}) {
    const Proposal* best = nullptr;
    bool usable = false;
    for (const Proposal& p : s.proposals) {
      if (p.design.role != role) continue;
      usable = usable || p.usable();
      if (excess(plan, p) < 1e300 && (best == nullptr || excess(plan, p) < excess(plan, *best))) best = &p;
    }
    if (!usable) out += too_long(plan, s, role);
    if (usable || best == nullptr) continue;
    out += fmt::format("Nearest in closed form, all but idle: {} on {}: {}; with that as the target it can be tried.\n",
                       text_of(best->design, 1), node_name(*best->node),
                       best->steady.refused.substr(std::string_view("latency: ").size()));
  }
  return out;
}
}  // namespace

std::string nearest_text(const Plan& plan, const Search& s) {
  const Entry* best = nullptr;
  std::vector<Standing> standing;
  for (const Entry& e : s.entries) {
    if (!e.figures) continue;
    auto all = standings(plan.section.targets, *e.figures);
    const auto sizes = standings_of_size(plan.section.targets, e.deployment);
    all.insert(all.end(), sizes.begin(), sizes.end());
    if (best != nullptr && tightest(all)->used() >= tightest(standing)->used()) continue;
    best = &e;
    standing = std::move(all);
  }
  if (best != nullptr) return nearest_simulated(*best, standing);
  return s.entries.empty() ? nearest_pool(plan, s) : nearest_priced(plan, s);
}
}  // namespace moesim::sizing
