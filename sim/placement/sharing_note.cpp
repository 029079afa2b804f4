#include "placement/sharing_note.h"

namespace moesim::placement {

void write_sharing(results::Results& results, std::string_view scope, const exchange::ReplicaSpec& choice) {
  if (choice.balanced())
    results.add(results::Table::assumption,
                {scope, "replica choice", "balanced", "every exchange's rows are shared out for it, in no time"});
}
}  // namespace moesim::placement
