// What recorded windows of load say about the next one: where an expert's share lies, and how far it may stray.
//
// Of W windows, expert e has the share x(w, e), mean m(e), variance s(e).  Shares stray in proportion to their size, so
// s(e) is drawn towards the layer's common s / m^2 as if that had been seen in kPriorFreedom further windows.  A window
// to come strays from m(e) by (1 + 1/W) s(e): its own straying and that of the mean.  Part of it, `common`, follows the
// directions in which the windows differ (what is asked, by whom), so that it can be hedged by balancing these windows
// themselves; the rest is each expert's own.  How large that part is shows in windows left out, one at a time: as much
// of one as lies in the span of the others.
#pragma once
#include <span>
#include <vector>

#include "placement/loads.h"

namespace moesim::placement {

/// Of one layer.
struct LayerOutlook {
  std::vector<std::vector<double>> windows;  // each (experts): shares, adding up to 1, moved apart or together so that
                                             // they stray as a window to come does, in the directions they show
  std::vector<double> spread;                // (experts): variance of a share that is the expert's own
};

struct OutlookParams {
  double common = 0.5;  // part of the straying that the windows' own directions hold, where two cannot tell
  double drift = 0;     // standard deviation over mean of a share, where one window cannot tell
};

/// Throws ConfigError at the key of a value that makes no sense.
void check_outlook(const OutlookParams& params);

/// Windows in an order of their own, so that plans do not depend on the one they are given in.
/// windows: of the same layers and experts.
std::vector<const Loads*> in_order(std::span<const Loads> windows);

/// The part of the straying that is in the directions of the windows; params.common below three windows.
double common_part(std::span<const Loads* const> windows, const OutlookParams& params);

/// A window without load in this layer says nothing about it.  One window alone is drawn towards the even share, as far
/// as its count of rows leaves it uncertain (James and Stein, 1961).
LayerOutlook outlook(std::span<const Loads* const> windows, std::size_t row, double common,
                     const OutlookParams& params);
}  // namespace moesim::placement
