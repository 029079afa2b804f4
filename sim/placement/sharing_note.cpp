#include "placement/sharing_note.h"

#include <fmt/format.h>

namespace moesim::placement {

void write_sharing(results::Results& results, std::string_view scope, const exchange::ReplicaSpec& choice,
                   bool copies) {
  if (choice.balanced())
    results.add(results::Table::assumption,
                {scope, "replica choice", "balanced",
                 copies ? fmt::format("every layer's rows are shared out for it before its dispatch, in {}",
                                      to_text(choice.solve_time(true)))
                        : "as asked; without effect, for no expert has copies"});
}

void write_sharing(results::Results& results, std::string_view scope, const PlannedShares& shares) {
  if (!shares.slots.empty())
    results.add(
        results::Table::assumption,
        {scope, "replica choice", "planned",
         fmt::format("copies keep the shares that level the GPUs on what they are planned from: mean/max {:.3f} "
                     "there, {:.3f} with even shares",
                     shares.planned, shares.even)});
}
}  // namespace moesim::placement
