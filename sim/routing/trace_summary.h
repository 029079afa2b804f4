// What a trace's tables say of the whole, checked; only the reader of traces includes this.
#pragma once
#include <string>
#include <string_view>

#include "results/store.h"
#include "routing/trace.h"

namespace moesim::routing {

struct TraceSummary {
  TraceHeader header;
  std::int64_t tokens = 0, passes = 0, blocks = 0;
  bool complete = false;
};
/// Throws ConfigError if the tables hold what no trace has or do not fit each other: after this every block is there.
TraceSummary read_trace_summary(const results::Database& db);

/// A statement on a trace's tables, which others may have changed: throws ConfigError if it does not fit them.
results::Statement trace_statement(const results::Database& db, const std::string& sql);
/// Throws ConfigError "FILE: the trace is damaged: WHAT".
[[noreturn]] void trace_damaged(const std::string& file, std::string_view what);
}  // namespace moesim::routing
