// The timeline as Chrome trace JSON, which ui.perfetto.dev and chrome://tracing load.
#pragma once
#include <string>

#include "results/results.h"
#include "results/span.h"

namespace moesim::results {

/// One process a GPU (and one for all links), one thread a stream, arrows for flows.  Times in microseconds.
std::string perfetto_json(const SpanLog& spans);
/// Copies the spans into the results' span table.
void store_spans(const SpanLog& spans, Results& results);
}  // namespace moesim::results
