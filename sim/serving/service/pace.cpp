#include "serving/service/pace.h"

#include <algorithm>

namespace moesim::serving {
namespace {
constexpr std::int64_t kMostBins = 1024;
}  // namespace

void Pace::change(Time now, int open, int waiting) {
  advance(now);
  open_ += open;
  waiting_ += waiting;
  most_open_ = std::max(most_open_, open_);
}

void Pace::widen() {
  for (std::size_t i = 0; i < bins_.size(); i += 2) {
    Bin both = bins_[i];
    if (i + 1 < bins_.size()) both.open += bins_[i + 1].open, both.waiting += bins_[i + 1].waiting;
    bins_[i / 2] = both;
  }
  bins_.resize((bins_.size() + 1) / 2);
  width_ = width_ * 2;
}

void Pace::advance(Time now) {
  if (last_ < now) open_sum_ += double(open_) * seconds(now - last_);
  while (last_ < now) {
    const std::int64_t bin = last_.v / width_.v;
    if (bin >= kMostBins) {
      widen();
      continue;
    }
    if (std::size_t(bin) >= bins_.size()) bins_.resize(std::size_t(bin) + 1);
    const Time end = std::min(now, width_ * (bin + 1));
    const double span = seconds(end - last_);
    bins_[std::size_t(bin)].open += double(open_) * span;
    bins_[std::size_t(bin)].waiting += double(waiting_) * span;
    last_ = end;
  }
}

double Pace::mean(Time from, Time until, double Bin::*what) const {
  double sum = 0;
  for (std::int64_t i = from.v / width_.v; i < std::int64_t(bins_.size()) && width_ * i < until; ++i) {
    const Time begin = width_ * i, end = std::min(begin + width_, last_);  // of the last bin, what has passed
    const Time part = std::min(end, until) - std::max(begin, from);
    if (part.v > 0) sum += bins_[std::size_t(i)].*what * double(part.v) / double((end - begin).v);
  }
  return from < until ? sum / seconds(until - from) : 0;
}
}  // namespace moesim::serving
