// `moesim trace fit`, a verb of its own file.
#pragma once

namespace CLI {
class App;
}

namespace moesim::cli {
void add_trace_fit(CLI::App* trace);
}  // namespace moesim::cli
