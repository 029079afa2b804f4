#include "serving/traces/workloads.h"

namespace moesim::serving {
namespace {
using Entry = Strategy<Workload, const WorkloadContext&>;
}  // namespace

std::vector<Entry> generators(), csv_traces(), jsonl_traces();
Entry llmservingsim(), sharegpt(), servegen(), routing_trace();

const Family<Workload, const WorkloadContext&>& workloads() {
  static const Family<Workload, const WorkloadContext&> family("workload", [] {
    std::vector<Entry> all = generators();
    for (auto part : {csv_traces(), jsonl_traces(), {llmservingsim(), sharegpt(), servegen(), routing_trace()}})
      all.insert(all.end(), part.begin(), part.end());
    return all;
  }());
  return family;
}
}  // namespace moesim::serving
