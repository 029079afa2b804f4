#include "placing/place_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/words.h"

namespace moesim::placing {
namespace {
void note_once(std::vector<std::string>& notes, std::string note) {
  if (std::ranges::find(notes, note) == notes.end()) notes.push_back(std::move(note));
}

/// Scores of windows that plans have seen flatter the plans.
void note_overlaps(const PlaceOptions& o, const PlaceResult& result, std::vector<std::string>& notes) {
  const std::vector<Workload>& scored = o.scored.empty() ? o.planned : o.scored;
  for (const PlanSource& source : result.sources)
    for (const Workload& s : scored)
      for (const std::size_t m : source.members) {
        const Workload& p = o.planned[m];
        const std::int64_t tokens = shared_tokens(p, s);
        if (tokens == 0) continue;
        if (source.members.size() > 1 && o.window_minutes > 0)
          continue;  // age 0 says so
        else if (source.members.size() > 1)
          note_once(notes, fmt::format("{} is scored on, and is among what the plans are made from", s.name));
        else if (o.scored.empty() && same_workload(p, s))
          continue;  // the table's diagonal
        else if (same_workload(p, s))
          note_once(notes, fmt::format("{} is planned from and scored on", s.name));
        else
          note_once(notes, fmt::format("{} and {} share {} tokens: what is scored was seen while planning", p.name,
                                       s.name, tokens));
      }
}

/// Tokens drawn from counts have their experts by chance.
void note_dealt(const PlaceOptions& o, std::vector<std::string>& notes) {
  std::vector<std::string> dealt;
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list)
      if (w.trace && w.trace->header().sampled) note_once(dealt, w.name);
  if (!dealt.empty())
    notes.push_back(
        fmt::format("{}: tokens were dealt from counts: the nodes and GPUs a token visits are those of experts chosen "
                    "independently",
                    fmt::join(dealt, ", ")));
}

/// A window that comes again is scored as if it were a later one; a load that does weighs more than it should.
void note_repeated(const PlaceOptions& o, std::vector<std::string>& notes) {
  if (o.together)
    for (std::size_t w = 0; w < o.planned.size(); ++w)
      for (std::size_t earlier = 0; earlier < w; ++earlier)
        if (same_workload(o.planned[earlier], o.planned[w]))
          note_once(notes, fmt::format("{} is put together more than once: it weighs as often", o.planned[w].name));
  if (o.window_minutes <= 0) return;
  for (std::size_t w = 0; w < o.planned.size(); ++w)
    for (std::size_t earlier = 0; earlier < w; ++earlier) {
      if (shared_tokens(o.planned[earlier], o.planned[w]) == 0) continue;
      const std::string& name = o.planned[w].name;
      note_once(notes,
                fmt::format("window {} ({}) {} window {}: scored as {:.4g} minutes later, it is what plans were "
                            "made from, and the means over plans have it so",
                            w + 1, name, same_workload(o.planned[earlier], o.planned[w]) ? "repeats" : "overlaps",
                            earlier + 1, double(w - earlier) * o.window_minutes));
    }
}

void note_choices(const PlaceOptions& o, std::vector<std::string>& notes) {
  std::vector<std::string> silent, single;
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list) {
      const routing::GateShape gate = gate_of(o, w);
      if (!w.trace && gate.top_k == 0) note_once(silent, w.name);
      if (w.trace && gate.top_k == 1 && !o.model) note_once(single, w.name);
    }
  if (!silent.empty())
    notes.push_back(
        fmt::format("{}: counts do not say how many experts a token chooses (--model or --top-k): no "
                    "traffic, no times",
                    fmt::join(silent, ", ")));
  if (!single.empty())
    notes.push_back(
        fmt::format("{}: one expert a token (top-1), as the trace says: counts imported without --model or "
                    "--top-k become that",
                    fmt::join(single, ", ")));
}

void note_wasted(const PlaceResult& result, std::vector<std::string>& notes) {
  std::vector<std::string> plans;
  for (const PlaceRow& r : result.rows) {
    std::string plan = fmt::format("{} with {} slots", r.strategy, r.slots);
    if (!r.planned_on.empty()) plan += " from " + r.planned_on;
    if (r.wasted_slots > 0) note_once(plans, fmt::format("{}: {}", plan, r.wasted_slots));
  }
  if (!plans.empty())
    notes.push_back(fmt::format("slots wasted: a second copy of an expert on one GPU balances nothing ({})",
                                fmt::join(plans, "; ")));
}

void note_layers(const PlaceOptions& o, const PlaceResult& result, std::vector<std::string>& notes) {
  for (const PlanSource& source : result.sources)
    for (const Workload& s : o.scored.empty() ? o.planned : o.scored) {
      std::vector<int> more;
      std::ranges::set_difference(s.loads.layers, source.loads.layers, std::back_inserter(more));
      if (more.empty()) continue;
      note_once(notes, fmt::format("{}: not scored in {}, first in layer {}: there was no load in {} to plan from",
                                   s.name, counted(more.size(), "layer"), more[0], source.name));
    }
}
}  // namespace

int wasted_slots(const exchange::ExpertMap& map) {
  int out = 0;
  for (int gpu = 0; gpu < map.gpus; ++gpu) {
    const auto first = map.slot_to_expert.begin() + gpu * map.slots_per_gpu, last = first + map.slots_per_gpu;
    for (auto slot = first; slot != last; ++slot) out += *slot >= 0 && std::find(first, slot, *slot) != slot;
  }
  return out;
}

std::vector<std::string> notes_on(const PlaceOptions& o, const PlaceResult& result) {
  std::vector<std::string> notes = o.notes;
  for (const auto* list : {&o.planned, &o.scored})
    for (const Workload& w : *list)
      for (std::string& note : oddities(w)) note_once(notes, std::move(note));
  note_layers(o, result, notes);
  note_overlaps(o, result, notes);
  note_repeated(o, notes);
  note_dealt(o, notes);
  note_choices(o, notes);
  note_wasted(result, notes);
  return notes;
}
}  // namespace moesim::placing
