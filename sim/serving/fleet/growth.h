// A group of ranks that grows while it serves.
#pragma once
#include "core/config.h"
#include "core/units.h"

namespace moesim::serving {

struct Growth {
  Time at{};
  int data = 0;
  Time pause = 3_s;
  static void fields(auto& f, auto& p) {
    f.required("at", p.at, "when it is decided: processes start and take their weights while the others serve");
    f.required("data", p.data, "attention ranks from then on, more than before");
    // vLLM pull request 44994 (2026): about 3 s from 4 to 8 ranks of one node whose processes are prepared.
    f("pause", p.pause,
      "all ranks stand still so long when the new ones join, besides the time that experts take to their new places");
  }
};
}  // namespace moesim::serving
