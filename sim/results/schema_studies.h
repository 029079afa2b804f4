// Columns of the tables that training, place and validate fill.
#pragma once
#include "results/schema.h"

namespace moesim::results {

inline constexpr Column kGpuLoad[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scope", "TEXT", "", "whose plan: placement:eplb_global:288, as in `metric`"},
    {"layer", "INTEGER", "", "layer number in the model"},
    {"gpu", "INTEGER", "", "GPU of the group"},
    {"load", "REAL", "", "its load (over its speed) over its layer's mean"},
};
inline constexpr Column kGpuTraffic[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scope", "TEXT", "", "whose plan: placement:eplb_global:288, as in `metric`"},
    {"level", "TEXT", "", "gpu or node: what source and destination number"},
    {"source", "INTEGER", "", "where tokens come from"},
    {"destination", "INTEGER", "", "where experts that they chose are; may be the source"},
    {"copies", "REAL", "", "tokens sent there for each token of the group, in a layer; mean over layers"},
    {"bytes", "REAL", "B", "of a prefill layer, dispatch and combine; null without the model"},
};
inline constexpr Column kDrift[] = {
    {"run", "INTEGER", "", "run.run"},
    {"strategy", "TEXT", "", "kind of placement"},
    {"slots", "INTEGER", "", "of a layer, copies too"},
    {"minutes", "REAL", "", "from the last window planned from to the one scored on"},
    {"balancedness", "REAL", "", "mean over max GPU load, mean over plans"},
    {"least", "REAL", "", "likewise, of the worst plan"},
    {"gap_to_bound", "REAL", "", "as the metric of that name, mean over plans"},
    {"plans", "INTEGER", "", "that are scored at this age"},
};
inline constexpr Column kInstruction[] = {
    {"run", "INTEGER", "", "run.run"},
    {"stage", "INTEGER", "", "pipeline stage (rank of the pipeline), from 0: its first GPU in the first replica"},
    {"name", "TEXT", "",
     "forward, backward, backward_input, weight, overlapped (forward and backward woven) or optimizer"},
    {"chunk", "INTEGER", "", "which of the stage's pieces of the model; of overlapped, the forward's"},
    {"micro_batch", "INTEGER", "", "of overlapped, the forward's; null for optimizer"},
    {"start", "REAL", "s", "from the step's start"},
    {"end", "REAL", "s", "likewise; what it waits for inside, such as exchanges, is in it"},
};
inline constexpr Column kIncident[] = {
    {"run", "INTEGER", "", "run.run"},
    {"time", "REAL", "s", "from the start of the whole training run"},
    {"kind", "TEXT", "", "gpu, nic or node (what failed), or straggler (a slow GPU was found and replaced)"},
    {"tokens", "REAL", "", "trained by then and not lost"},
    {"lost", "REAL", "s", "work since the last checkpoint that is done again"},
    {"waiting", "REAL", "s", "for a repair, because no spare node was left"},
    {"restart", "REAL", "s", "until training went on, that wait left out"},
};
inline constexpr Column kValidation[] = {
    {"run", "INTEGER", "", "run.run"},
    {"scenario", "TEXT", "", "what was run"},
    {"title", "TEXT", "", "its title"},
    {"name", "TEXT", "", "metric.name"},
    {"scope", "TEXT", "", "metric.scope"},
    {"unit", "TEXT", "", "of both values"},
    {"published", "REAL", "", "as measured"},
    {"simulated", "REAL", "", "as the scenario gives it"},
    {"source", "TEXT", "", "where it was published"},
    {"kernel_error_median", "REAL", "", "as the metric of that name, of the worst pool; null where nothing is known"},
    {"kernel_error_p90", "REAL", "", "likewise"},
    {"kernel_time_borrowed_share", "REAL", "", "likewise"},
};
}  // namespace moesim::results
