// The few physical parameters of DSA's kernels: an indexer's scores, the choice of the best, attention over those.
#pragma once
#include "compute/kernels/fitted_range.h"
#include "core/units.h"

namespace moesim::compute {

struct SparseEquation {
  // Scores: tiles of 128 rows (queries times index heads) that each walk the keys before them.
  double scores_tensor = 1;  // share of the FP8 peak in a tile
  double scores_hbm = 1;     // share of the data-sheet bandwidth; what is written are FP32 scores
  Time scores_tile{};        // start and end of a tile
  Time scores_launch{};      // of a prompt's kernel
  Time paged_launch{};       // of the kernel that reads a cache's pages
  // The best of each row of scores: a row with more scores than are picked is one SM's to walk.
  double top_hbm = 1;   // share of the data-sheet bandwidth
  double top_rate = 0;  // 1e9 scores/s an SM walks; 0: never the limit
  Time top_row{};       // of an SM, for each row that is walked
  Time top_short{};     // the same for a row that is picked whole
  Time top_launch{};    // start of the kernel
  // Attention over picked keys in prompts: a unit of 64 heads of one query walks as many keys as may be picked.
  double attend_tensor = 1;  // share of the data-sheet peak within a unit
  double attend_heads = 64;  // heads of a query that a kernel computes at least, and at a time
  double fp8_tensor = 1;     // the same of a cache in FP8: a share of the FP8 peak, however the kernel multiplies
  double fp8_heads = 64;
  double fp8_empty = 1;
  bool fp8_whole = false;   // decoding walks as many keys as may be picked where a context has fewer
  double attend_empty = 1;  // time of a pick that a short context leaves empty, over that of another
  Time attend_tile{};       // of each wave of units
  Time attend_launch{};     // start of the kernel
  // Backward of that attention: every pick that may be is walked, and what queries have is read and written beside it.
  double back_tensor = 0;  // share of the data-sheet peak; 0: not known, as of attention that reads keys in turn
  double back_hbm = 1;     // share of the HBM bandwidth
  FittedRange fitted;
  bool borrowed = false;  // of another generation
  static void fields(auto& f, auto& p) {
    f("scores_tensor", p.scores_tensor, "scores: share of the FP8 peak in a tile");
    f("scores_hbm", p.scores_hbm, "scores: share of the HBM bandwidth");
    f("scores_tile", p.scores_tile, "scores: start and end of a tile");
    f("scores_launch", p.scores_launch, "scores: start of the kernel for prompts");
    f("paged_launch", p.paged_launch, "scores: start of the kernel that reads pages of a cache");
    f("top_hbm", p.top_hbm, "picks: share of the HBM bandwidth");
    f("top_rate", p.top_rate, "picks: 1e9 scores/s an SM walks; 0: never the limit");
    f("top_row", p.top_row, "picks: of an SM, for each row with more scores than picks");
    f("top_short", p.top_short, "picks: the same for a row that is picked whole");
    f("top_launch", p.top_launch, "picks: start of the kernel");
    f("attend_tensor", p.attend_tensor, "attention to picks: share of the peak within 64 heads of a query");
    f("attend_heads", p.attend_heads, "attention to picks: heads computed at least, and at a time");
    f("fp8_tensor", p.fp8_tensor, "attention to picks, FP8 cache: share of the FP8 peak within 64 heads of a query");
    f("fp8_heads", p.fp8_heads, "attention to picks, FP8 cache: heads computed at least, and at a time");
    f("fp8_empty", p.fp8_empty, "attention to picks, FP8 cache: time of an empty pick, relative");
    f("fp8_whole", p.fp8_whole, "attention to picks, FP8 cache: decoding walks empty picks too");
    f("attend_empty", p.attend_empty, "attention to picks: time of an empty pick, relative");
    f("attend_tile", p.attend_tile, "attention to picks: of each wave over the SMs");
    f("attend_launch", p.attend_launch, "attention to picks: start of the kernel");
    f("back_tensor", p.back_tensor, "backward of attention to picks: share of the peak; 0: as of keys read in turn");
    f("back_hbm", p.back_hbm, "backward of attention to picks: share of the HBM bandwidth beside it");
    f("fitted", p.fitted, "queries, heads and keys a sequence that the parameters were fitted on");
  }
};
}  // namespace moesim::compute
